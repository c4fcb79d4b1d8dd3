"""A study of the ClinicalTrials.gov API, version 2 (JSON) → a registration. Fields of a wrong type are passed over."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from app.criteria.record import (
    Arm,
    Citation,
    Contact,
    Design,
    Enrolment,
    Identifier,
    IdentifierUse,
    Intervention,
    Link,
    Official,
    Organisation,
    OutcomeRank,
    Population,
    RegisteredDate,
    RegisteredOutcome,
    RegistrationRecord,
    Site,
)
from app.reader.normalise import normalise
from app.reader.read import read_items
from app.reader.registration import Registration, read_age, register_word, unread_ages
from app.reader.split import split_items

if TYPE_CHECKING:
    from app.knowledge.catalogue import Catalogue

Json = dict[str, Any]
_DATE = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?")
_PHASE = re.compile(r"(EARLY_)?PHASE(\d)")
_RANKS = (
    ("primaryOutcomes", OutcomeRank.PRIMARY),
    ("secondaryOutcomes", OutcomeRank.SECONDARY),
    ("otherOutcomes", OutcomeRank.OTHER),
)


def read_study(study: Json, catalogue: Catalogue) -> Registration:
    """A ClinicalTrials.gov API v2 study (`protocolSection` ...). Spans point into `eligibilityCriteria`."""
    protocol = _object(study, "protocolSection")
    record = read_record(protocol)
    eligibility = _object(protocol, "eligibilityModule")
    text = str(eligibility.get("eligibilityCriteria") or "")
    items = split_items(normalise(text), 0, len(text), None)
    about = (*record.conditions, record.brief_title or record.official_title)
    criteria, notes = read_items(text, items, record.population, about, catalogue)
    registered = next((each.value for each in record.identifiers if each.use is IdentifierUse.REGISTRY), None)
    ages = unread_ages(_text(eligibility, "minimumAge"), _text(eligibility, "maximumAge"))
    return Registration(registered, record, text, criteria, (*ages, *notes))


def read_record(protocol: Json) -> RegistrationRecord:
    """Everything of a `protocolSection` but its criteria."""
    identification = _object(protocol, "identificationModule")
    status = _object(protocol, "statusModule")
    description = _object(protocol, "descriptionModule")
    conditions = _object(protocol, "conditionsModule")
    parties = _object(protocol, "sponsorCollaboratorsModule")
    contacts = _object(protocol, "contactsLocationsModule")
    plan = _object(protocol, "armsInterventionsModule")
    references = _object(protocol, "referencesModule")
    return RegistrationRecord(
        identifiers=tuple(_identifiers(identification)),
        brief_title=_text(identification, "briefTitle"),
        official_title=_text(identification, "officialTitle"),
        acronym=_text(identification, "acronym"),
        summary=_text(description, "briefSummary"),
        description=_text(description, "detailedDescription"),
        status=_word(status, "overallStatus") or "unknown",
        last_known_status=_word(status, "lastKnownStatus"),
        why_stopped=_text(status, "whyStopped"),
        design=_design(_object(protocol, "designModule")),
        population=_population(_object(protocol, "eligibilityModule")),
        enrolment=_enrolment(_object(_object(protocol, "designModule"), "enrollmentInfo")),
        conditions=_texts(conditions, "conditions"),
        keywords=_texts(conditions, "keywords"),
        sponsor=next(iter(_organisations([parties.get("leadSponsor")])), None),
        collaborators=_organisations(parties.get("collaborators")),
        officials=tuple(
            Official(name, _word(each, "role"), _text(each, "affiliation"))
            for each in _objects(contacts, "overallOfficials")
            if (name := _text(each, "name"))
        ),
        contacts=_contacts(_objects(contacts, "centralContacts")),
        sites=tuple(_site(each) for each in _objects(contacts, "locations")),
        arms=tuple(
            Arm(
                label,
                _word(each, "type"),
                _text(each, "description"),
                tuple(name.partition(": ")[2] or name for name in _texts(each, "interventionNames")),
            )
            for each in _objects(plan, "armGroups")
            if (label := _text(each, "label"))
        ),
        interventions=tuple(
            Intervention(
                name,
                _word(each, "type"),
                _text(each, "description"),
                _texts(each, "otherNames"),
                _texts(each, "armGroupLabels"),
            )
            for each in _objects(plan, "interventions")
            if (name := _text(each, "name"))
        ),
        outcomes=tuple(
            RegisteredOutcome(measure, rank, _text(each, "description"), _text(each, "timeFrame"))
            for key, rank in _RANKS
            for each in _objects(_object(protocol, "outcomesModule"), key)
            if (measure := _text(each, "measure"))
        ),
        start=_date(status.get("startDateStruct")),
        primary_completion=_date(status.get("primaryCompletionDateStruct")),
        completion=_date(status.get("completionDateStruct")),
        first_submitted=_date(status.get("studyFirstSubmitDate")),
        first_posted=_date(status.get("studyFirstPostDateStruct")),
        last_updated=_date(status.get("lastUpdatePostDateStruct")),
        results_posted=_date(status.get("resultsFirstPostDateStruct")),
        verified=_date(status.get("statusVerifiedDate")),
        citations=tuple(
            Citation(cited, _word(each, "type"), _text(each, "pmid"))
            for each in _objects(references, "references")
            if (cited := _text(each, "citation"))
        ),
        links=tuple(
            Link(url, _text(each, "label"))
            for each in _objects(references, "seeAlsoLinks")
            if (url := _text(each, "url"))
        ),
    )


def _identifiers(module: Json) -> list[Identifier]:
    found = [Identifier(value, IdentifierUse.REGISTRY) for value in [_text(module, "nctId")] if value]
    own = _object(module, "orgStudyIdInfo")
    if value := _text(own, "id"):
        given_by = _text(_object(module, "organization"), "fullName")
        found.append(
            Identifier(value, IdentifierUse.ORGANISATION, _word(own, "type"), _text(own, "domain") or given_by)
        )
    found += [
        Identifier(value, IdentifierUse.SECONDARY, _word(each, "type"), _text(each, "domain"), link=_text(each, "link"))
        for each in _objects(module, "secondaryIdInfos")
        if (value := _text(each, "id"))
    ]
    return [*found, *(Identifier(value, IdentifierUse.ALIAS) for value in _texts(module, "nctIdAliases"))]


def _design(module: Json) -> Design:
    info = _object(module, "designInfo")
    masking = _object(info, "maskingInfo")
    phases = (_PHASE.fullmatch(each) for each in _texts(module, "phases"))
    return Design(
        study_type=_word(module, "studyType"),
        phases=tuple(f"{'early ' if each[1] else ''}{each[2]}" for each in phases if each),
        primary_purpose=_word(info, "primaryPurpose"),
        allocation="" if info.get("allocation") == "NA" else _word(info, "allocation"),
        intervention_model=_word(info, "interventionModel"),
        masking=_word(masking, "masking"),
        who_masked=tuple(register_word(each) for each in _texts(masking, "whoMasked")),
        observational_model=_word(info, "observationalModel"),
        time_perspective=_word(info, "timePerspective"),
    )


def _population(module: Json) -> Population:
    volunteers = module.get("healthyVolunteers")
    sex = _word(module, "sex")
    return Population(
        minimum_age=read_age(_text(module, "minimumAge")),
        maximum_age=read_age(_text(module, "maximumAge")),
        sex=sex if sex in {"all", "female", "male"} else "",
        is_gender_based=_flag(module.get("genderBased")),
        gender_description=_text(module, "genderDescription"),
        healthy_volunteers=_flag(volunteers),
        age_groups=tuple(register_word(each) for each in _texts(module, "stdAges")),
        sampling_method=_word(module, "samplingMethod"),
        description=_text(module, "studyPopulation"),
    )


def _enrolment(info: Json) -> Enrolment | None:
    count = info.get("count")
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        return None
    return Enrolment(count, _actual(info))


def _site(location: Json) -> Site:
    point = _object(location, "geoPoint")
    return Site(
        facility=_text(location, "facility"),
        status=_word(location, "status"),
        city=_text(location, "city"),
        state=_text(location, "state"),
        postal_code=_text(location, "zip"),
        country=_text(location, "country"),
        latitude=_degrees(point.get("lat")),
        longitude=_degrees(point.get("lon")),
        contacts=_contacts(_objects(location, "contacts")),
    )


def _degrees(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -180 <= value <= 180:
        return None
    return Decimal(f"{value:.7f}").normalize() + 0


def _contacts(given: list[Json]) -> tuple[Contact, ...]:
    return tuple(
        Contact(
            name,
            _word(each, "role"),
            _text(each, "phone"),
            extension=_text(each, "phoneExt"),
            email=_text(each, "email"),
        )
        for each in given
        if (name := _text(each, "name"))
    )


def _organisations(given: object) -> tuple[Organisation, ...]:
    return tuple(
        Organisation(name, _word(each, "class"))
        for each in (given if isinstance(given, list) else [])
        if isinstance(each, dict) and (name := _text(each, "name"))
    )


def _date(given: object) -> RegisteredDate | None:
    """A `...DateStruct`, or the bare date of an older field."""
    holder = given if isinstance(given, dict) else {"date": given}
    date = _text(holder, "date")
    return RegisteredDate(date, _actual(holder)) if _DATE.fullmatch(date) else None


def _actual(holder: Json) -> bool | None:
    return {"ACTUAL": True, "ESTIMATED": False, "ANTICIPATED": False}.get(str(holder.get("type")))


def _flag(value: object) -> bool | None:
    """A truth value; "Yes" and "No", which older copies of the API have, too."""
    if isinstance(value, str):
        return {"yes": True, "no": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _object(holder: Json, key: str) -> Json:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _objects(holder: Json, key: str) -> list[Json]:
    value = holder.get(key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(holder: Json, key: str) -> str:
    value = holder.get(key)
    return value.strip() if isinstance(value, str) else ""


def _texts(holder: Json, key: str) -> tuple[str, ...]:
    value = holder.get(key)
    return tuple(each.strip() for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _word(holder: Json, key: str) -> str:
    return register_word(holder.get(key))
