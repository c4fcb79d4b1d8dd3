"""What a FHIR ResearchStudy says of the trial besides its criteria → a registration record. R4, R4B and R5."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from app.criteria.record import (
    Arm,
    Citation,
    Contact,
    Design,
    Enrolment,
    Identifier,
    IdentifierUse,
    Link,
    Objective,
    Official,
    Organisation,
    OutcomeRank,
    RegisteredDate,
    RegisteredOutcome,
    RegistrationRecord,
    Site,
)
from app.reader.layout import REGISTRY_ID
from app.reader.registration import register_word
from app.reader.study_sent import Resource, Sent, concept_words, dicts, extension, words

if TYPE_CHECKING:
    from app.criteria.record import Population

# R4 `status` and R5 `progressStatus` in the words of registers. Of R4's, only `active` is open to patients.
_R4_STATUS = {
    "active": "recruiting",
    "administratively-completed": "completed",
    "approved": "not-yet-recruiting",
    "closed-to-accrual": "active-not-recruiting",
    "closed-to-accrual-and-intervention": "active-not-recruiting",
    "temporarily-closed-to-accrual": "suspended",
    "temporarily-closed-to-accrual-and-intervention": "suspended",
}
_FINER = {
    "": ("available", "no-longer-available", "approved-for-marketing", "temporarily-not-available", "withheld"),
    "active": ("enrolling-by-invitation",),
    "administratively-completed": ("terminated",),
}
_R5_STATUS = {
    **{each: status for each, status in _R4_STATUS.items() if each != "active"},
    "active-but-not-recruiting": "active-not-recruiting",
}
_R5_ONLY = frozenset(
    {
        "associatedParty",
        "comparisonGroup",
        "date",
        "descriptionSummary",
        "label",
        "name",
        "outcomeMeasure",
        "progressStatus",
        "recruitment",
        "region",
        "url",
        "version",
        "whyStopped",
    }
)
_PHASE = re.compile(r"(?P<early>early[\s-]*)?(?:phase[\s-]*|[/-]\s*)(?P<number>[0-4]|i{1,3}|iv)[abc]?\b", re.IGNORECASE)
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}

_OFFICIAL = ("investigator", "chair", "director")


def read_record(sent: Sent, population: Population) -> RegistrationRecord:
    """The record of the study; `population` is what its text says of ages and sex."""
    study = sent.study
    period = study.get("period")
    start, end = (_date(period.get(key)) if isinstance(period, dict) else None for key in ("start", "end"))
    phase, sponsor = _phase(study.get("phase")), _sponsor(sent)
    parties = [(_party(sent, each), each) for each in dicts(study.get("associatedParty"))]
    investigator = study.get("principalInvestigator")
    return RegistrationRecord(
        identifiers=tuple(_identifiers(study)),
        brief_title=_title(study),
        official_title=_label(study, "official"),
        acronym=_label(study, "acronym"),
        summary=words(study.get("descriptionSummary")),
        description=study["description"].strip() if isinstance(study.get("description"), str) else "",
        status=_status(study),
        why_stopped=_why_stopped(study),
        design=Design(
            phases=tuple(phase.split("/")) if phase else (),
            primary_purpose=register_word(concept_words(study.get("primaryPurposeType"))),
        ),
        population=population,
        enrolment=_enrolment(study),
        conditions=tuple(filter(None, (concept_words(each) for each in dicts(study.get("condition"))))),
        keywords=tuple(filter(None, (concept_words(each) for each in dicts(study.get("keyword"))))),
        sponsor=Organisation(sponsor) if sponsor else None,
        collaborators=tuple(Organisation(name) for (name, role), _ in parties if name and "collaborator" in role),
        officials=(
            *(
                Official(name, "principal-investigator")
                for each in dicts(investigator)
                if (name := _referred(sent, each))
            ),
            *(Official(name, role) for (name, role), _ in parties if name and any(each in role for each in _OFFICIAL)),
        ),
        contacts=tuple(_contacts(study)),
        sites=tuple(_sites(sent)),
        arms=tuple(
            Arm(name, register_word(concept_words(each.get("type"))), words(each.get("description")))
            for key in ("arm", "comparisonGroup")
            for each in dicts(study.get(key))
            if (name := words(each.get("name")))
        ),
        outcomes=tuple(
            RegisteredOutcome(name, _rank(each), words(each.get("description")))
            for each in dicts(study.get("outcomeMeasure"))
            if (name := words(each.get("name")))
        ),
        objectives=tuple(
            Objective(name, register_word(concept_words(each.get("type"))), words(each.get("description")))
            for each in dicts(study.get("objective"))
            if (name := words(each.get("name")))
        ),
        start=start,
        completion=end,
        citations=tuple(
            Citation(text, register_word(each.get("type")))
            for each in dicts(study.get("relatedArtifact"))
            if (text := words(each.get("citation")))
        ),
        links=tuple(
            Link(url, words(each.get("display") or each.get("label")))
            for each in dicts(study.get("relatedArtifact"))
            if (url := words(each.get("url")))
        ),
    )


def _identifiers(study: Resource) -> list[Identifier]:
    """Its numbers: that of the register, then the others in their order."""
    own = registry_number(study)
    found: list[Identifier] = []
    for each in dicts(study.get("identifier")):
        value = words(each.get("value"))
        if value:
            use = IdentifierUse.REGISTRY if value == own else IdentifierUse.SECONDARY
            assigner = each.get("assigner")
            given_by = words(assigner.get("display")) if isinstance(assigner, dict) else ""
            kind = register_word(concept_words(each.get("type")))
            found.append(Identifier(value, use, kind, given_by, system=words(each.get("system"))))
    return sorted(found, key=lambda each: each.use is not IdentifierUse.REGISTRY)


def _label(study: Resource, kind: str) -> str:
    """A label (R5) whose type has this word."""
    labels = ((concept_words(each.get("type")).lower(), words(each.get("value"))) for each in dicts(study.get("label")))
    return next((value for type_, value in labels if kind in type_ and value), "")


def _why_stopped(study: Resource) -> str:
    reason = study.get("reasonStopped") if "reasonStopped" in study else study.get("whyStopped")
    return concept_words(reason)


def _enrolment(study: Resource) -> Enrolment | None:
    """R5's numbers: those who take part, else those who are wanted."""
    recruitment = study.get("recruitment")
    for key, is_actual in (("actualNumber", True), ("targetNumber", False)):
        count = recruitment.get(key) if isinstance(recruitment, dict) else None
        if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
            return Enrolment(count, is_actual)
    return None


def _party(sent: Sent, party: Resource) -> tuple[str, str]:
    """The name and the role of an associated party (R5)."""
    reference = party.get("party")
    name = words(party.get("name")) or (_referred(sent, reference) if isinstance(reference, dict) else "")
    return name, register_word(concept_words(party.get("role")))


def _referred(sent: Sent, reference: Resource) -> str:
    """What a reference is called: its display, else the name of what it means."""
    found = sent.find(sent.study, reference)
    return words(reference.get("display")) or (_named(found[0]) if found else "")


def _named(resource: Resource) -> str:
    """The name of a Practitioner or an Organization."""
    name = resource.get("name")
    if isinstance(name, str):
        return words(name)
    human = next(iter(dicts(name)), {})
    given = human.get("given")
    parts = [each for each in (given if isinstance(given, list) else []) if isinstance(each, str)]
    return words(human.get("text")) or " ".join(filter(None, (*parts, words(human.get("family")))))


def _contacts(study: Resource) -> list[Contact]:
    found = []
    for each in dicts(study.get("contact")):
        ways = {words(way.get("system")): words(way.get("value")) for way in dicts(each.get("telecom"))}
        if name := words(each.get("name")):
            found.append(Contact(name, phone=ways.get("phone", ""), email=ways.get("email", "")))
    return found


def _sites(sent: Sent) -> list[Site]:
    """Locations that the study names as its sites; failing these, the countries (`location`, R5 `region`)."""
    found = [_site(sent, each) for each in dicts(sent.study.get("site"))]
    if found:
        return found
    places = (*dicts(sent.study.get("location")), *dicts(sent.study.get("region")))
    return [Site(country=name) for each in places if (name := concept_words(each))]


def _site(sent: Sent, reference: Resource) -> Site:
    found = sent.find(sent.study, reference)
    location = found[0] if found else {}
    address, position = location.get("address"), location.get("position")
    address = address if isinstance(address, dict) else {}
    position = position if isinstance(position, dict) else {}
    ways = {words(each.get("system")): words(each.get("value")) for each in dicts(location.get("telecom"))}
    name = words(location.get("name"))
    return Site(
        facility=name or words(reference.get("display")),
        city=words(address.get("city")),
        state=words(address.get("state")),
        postal_code=words(address.get("postalCode")),
        country=words(address.get("country")),
        latitude=_degrees(position.get("latitude")),
        longitude=_degrees(position.get("longitude")),
        contacts=(Contact(name, phone=ways.get("phone", ""), email=ways.get("email", "")),) if ways and name else (),
    )


def _degrees(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -180 <= value <= 180:
        return None
    return Decimal(f"{value:.7f}").normalize() + 0


def _rank(outcome: Resource) -> OutcomeRank:
    said = " ".join(concept_words(each).lower() for each in dicts(outcome.get("type")))
    return next((rank for rank in (OutcomeRank.PRIMARY, OutcomeRank.SECONDARY) if rank in said), OutcomeRank.OTHER)


def _date(value: object) -> RegisteredDate | None:
    """The day of a date or a dateTime."""
    match = re.match(r"\d{4}(?:-\d{2}(?:-\d{2})?)?", words(value))
    return RegisteredDate(match[0]) if match else None


def registry_number(study: Resource) -> str | None:
    """The number of a register: ClinicalTrials.gov's first. A sponsor's own number is not one."""
    official_first = sorted(dicts(study.get("identifier")), key=lambda each: each.get("use") != "official")
    values = [words(each.get("value")) for each in official_first]
    numbers = [value for value in values if REGISTRY_ID.fullmatch(value)]
    return next((each for each in numbers if each.startswith("NCT")), numbers[0] if numbers else None)


def _title(study: Resource) -> str:
    labels = {concept_words(each.get("type")).lower(): words(each.get("value")) for each in dicts(study.get("label"))}
    labelled = next(filter(None, labels.values()), "")
    number = next(filter(None, (words(each.get("value")) for each in dicts(study.get("identifier")))), "")
    # Trials without a number are kept by their title: two without either must not be taken for one.
    nameless = f"Untitled trial {number or words(study.get('id'))}".strip()
    return words(study.get("title")) or labelled or words(study.get("name")) or nameless


def _status(study: Resource) -> str:
    """R4: `status`. R5, where `status` is that of the resource: the state of `progressStatus` that has not ended."""
    if not (_R5_ONLY & study.keys()):
        status = words(study.get("status"))
        # R4 has fewer words than registers. The register's own is told beside it, and holds where it is one of those.
        registered = extension(study, "eligo-registered-status")
        if isinstance(registered, str) and registered in _FINER.get(status, ()):
            return registered
        return _R4_STATUS.get(status, status) or "unknown"
    found = "unknown"
    for each in dicts(study.get("progressStatus")):
        period = each.get("period")
        if each.get("actual") is False or (isinstance(period, dict) and period.get("end")):
            continue
        state = each.get("state")
        codes = [words(coding.get("code")) for each in dicts(state) for coding in dicts(each.get("coding"))]
        status = next(filter(None, codes), concept_words(state).lower().replace(" ", "-"))
        if status and status != "overall-study":
            found = _R5_STATUS.get(status, status)
    return found


def _phase(concept: object) -> str:
    """`2`, `1/2`, `early 1`; "" where there is none."""
    said = [concept_words(concept)]
    if isinstance(concept, dict):
        said += [words(each.get("code")) for each in dicts(concept.get("coding"))]
    for each in said:
        found = [
            f"{'early ' if match['early'] else ''}{_ROMAN.get(match['number'].lower(), match['number'])}"
            for match in _PHASE.finditer(each.replace("_", " "))
        ]
        if found:
            return "/".join(found)
    return ""


def _sponsor(sent: Sent) -> str:
    study = sent.study
    parties = [
        (each, each.get("party"), concept_words(each.get("role")).lower())
        for each in dicts(study.get("associatedParty"))
    ]
    sponsors = [(words(party.get("name")), reference) for party, reference, role in parties if "sponsor" in role]
    for name, reference in (("", study.get("sponsor")), *sponsors):
        if name:
            return name
        if isinstance(reference, dict):
            found = sent.find(study, reference)
            said = words(reference.get("display")) or (words(found[0].get("name")) if found else "")
            if said:
                return said
    return ""
