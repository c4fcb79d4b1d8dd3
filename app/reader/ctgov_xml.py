"""The XML that ClinicalTrials.gov gave out before its API had version 2 → a registration.

Entities are refused, so that a small text cannot unfold into a large one or name a file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

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
from app.reader.registration import Registration, UnusableStudy, read_population, register_word, unread_ages
from app.reader.split import split_items

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from app.knowledge.catalogue import Catalogue

ROOT = "clinical_study"
_MAX_DEPTH = 64
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
           "december")  # fmt: skip
_DATE = re.compile(r"(?P<month>[A-Z][a-z]+)\s+(?:(?P<day>\d{1,2}),\s*)?(?P<year>\d{4})")
_PHASE = re.compile(r"(Early )?Phase (\d)")
_RANKS = (
    ("primary_outcome", OutcomeRank.PRIMARY),
    ("secondary_outcome", OutcomeRank.SECONDARY),
    ("other_outcome", OutcomeRank.OTHER),
)


def read_study_xml(text: str, catalogue: Catalogue) -> Registration:
    """A `clinical_study`. Spans point into the text of its criteria. UnusableStudy where it is no such XML."""
    root = _parsed(text)
    record = _record(root)
    criteria_text = _raw(root, "eligibility/criteria/textblock")
    items = split_items(normalise(criteria_text), 0, len(criteria_text), None)
    about = (*record.conditions, record.brief_title or record.official_title)
    criteria, notes = read_items(criteria_text, items, record.population, about, catalogue)
    registered = next((each.value for each in record.identifiers if each.use is IdentifierUse.REGISTRY), None)
    ages = unread_ages(_text(root, "eligibility/minimum_age"), _text(root, "eligibility/maximum_age"))
    return Registration(registered, record, criteria_text, criteria, (*ages, *notes))


class _Shallow(TreeBuilder):
    """A tree of no more levels than any registration has: deeper ones cost more than their length."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        """An element begins."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise UnusableStudy("", f"The XML has elements more than {_MAX_DEPTH} deep; no registration has.")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        """An element ends."""
        self._depth -= 1
        return super().end(tag)


def _parsed(text: str) -> Element:
    parser = DefusedXMLParser(target=_Shallow(), forbid_dtd=True, forbid_entities=True, forbid_external=True)
    try:
        parser.feed(text)
        root: Element = parser.close()
    except (DefusedXmlException, ParseError, ValueError) as error:
        why = "it declares a document type or entities" if isinstance(error, DefusedXmlException) else str(error)
        raise UnusableStudy("", f"The XML cannot be read: {why}.") from None
    if root.tag != ROOT:
        raise UnusableStudy(
            "", f"The XML is a <{root.tag[:40]}>, not a <{ROOT}> as ClinicalTrials.gov gave out before 2024."
        )
    return root


def _record(root: Element) -> RegistrationRecord:
    return RegistrationRecord(
        identifiers=tuple(_identifiers(root)),
        brief_title=_text(root, "brief_title"),
        official_title=_text(root, "official_title"),
        acronym=_text(root, "acronym"),
        summary=_prose(root, "brief_summary/textblock"),
        description=_prose(root, "detailed_description/textblock"),
        status=_status(_text(root, "overall_status")) or "unknown",
        last_known_status=_status(_text(root, "last_known_status")),
        why_stopped=_text(root, "why_stopped"),
        design=_design(root),
        population=_population(root),
        enrolment=_enrolment(root.find("enrollment")),
        conditions=_texts(root, "condition"),
        keywords=_texts(root, "keyword"),
        sponsor=next(iter(_organisations(root, "sponsors/lead_sponsor")), None),
        collaborators=_organisations(root, "sponsors/collaborator"),
        officials=tuple(
            Official(_person(each), register_word(_text(each, "role")), _text(each, "affiliation"))
            for each in root.findall("overall_official")
        ),
        contacts=_contacts(root, ("overall_contact", "contact"), ("overall_contact_backup", "backup")),
        sites=tuple(_site(each) for each in root.findall("location")),
        arms=tuple(
            Arm(
                label,
                register_word(_text(each, "arm_group_type")),
                _prose(each, "description"),
                _names_in(root, label),
            )
            for each in root.findall("arm_group")
            if (label := _text(each, "arm_group_label"))
        ),
        interventions=tuple(
            Intervention(
                name,
                register_word(_text(each, "intervention_type")),
                _prose(each, "description"),
                _texts(each, "other_name"),
                _texts(each, "arm_group_label"),
            )
            for each in root.findall("intervention")
            if (name := _text(each, "intervention_name"))
        ),
        outcomes=tuple(
            RegisteredOutcome(measure, rank, _prose(each, "description"), _text(each, "time_frame"))
            for tag, rank in _RANKS
            for each in root.findall(tag)
            if (measure := _text(each, "measure"))
        ),
        start=_date(root.find("start_date")),
        primary_completion=_date(root.find("primary_completion_date")),
        completion=_date(root.find("completion_date")),
        first_submitted=_date(root.find("study_first_submitted")),
        first_posted=_date(root.find("study_first_posted")),
        last_updated=_date(root.find("last_update_posted")),
        results_posted=_date(root.find("results_first_posted")),
        verified=_date(root.find("verification_date")),
        citations=tuple(
            Citation(cited, kind, _text(each, "PMID"))
            for tag, kind in (("reference", "background"), ("results_reference", "result"))
            for each in root.findall(tag)
            if (cited := _text(each, "citation"))
        ),
        links=tuple(
            Link(url, _text(each, "description")) for each in root.findall("link") if (url := _text(each, "url"))
        ),
    )


def _identifiers(root: Element) -> list[Identifier]:
    uses = (
        ("nct_id", IdentifierUse.REGISTRY),
        ("org_study_id", IdentifierUse.ORGANISATION),
        ("secondary_id", IdentifierUse.SECONDARY),
        ("nct_alias", IdentifierUse.ALIAS),
    )
    source = _text(root, "source")
    return [
        Identifier(value, use, domain=source if use is IdentifierUse.ORGANISATION else "")
        for tag, use in uses
        for value in _texts(root, f"id_info/{tag}")
    ]


def _design(root: Element) -> Design:
    masking, _, masked = _text(root, "study_design_info/masking").partition("(")
    open_label = masking.strip().lower() in {"none", "open label", "no masking"}
    return Design(
        study_type=register_word(_text(root, "study_type")),
        phases=tuple(f"{'early ' if match[1] else ''}{match[2]}" for match in _PHASE.finditer(_text(root, "phase"))),
        primary_purpose=register_word(_text(root, "study_design_info/primary_purpose")),
        allocation=_unless_na(_text(root, "study_design_info/allocation")),
        intervention_model=register_word(
            _text(root, "study_design_info/intervention_model").removesuffix("Assignment")
        ),
        masking="none" if open_label else register_word(masking),
        who_masked=() if open_label else tuple(filter(None, map(register_word, masked.rstrip(" )").split(",")))),
        observational_model=register_word(_text(root, "study_design_info/observational_model")),
        time_perspective=register_word(_text(root, "study_design_info/time_perspective")),
    )


def _population(root: Element) -> Population:
    low, high, sex, volunteers = (
        _text(root, f"eligibility/{tag}") for tag in ("minimum_age", "maximum_age", "gender", "healthy_volunteers")
    )
    plain = read_population(low, high, sex, volunteers)
    based = _text(root, "eligibility/gender_based").lower()
    return Population(
        minimum_age=plain.minimum_age,
        maximum_age=plain.maximum_age,
        sex=plain.sex,
        is_gender_based={"yes": True, "no": False}.get(based),
        gender_description=_prose(root, "eligibility/gender_description"),
        healthy_volunteers=plain.healthy_volunteers,
        sampling_method=register_word(_text(root, "eligibility/sampling_method")),
        description=_prose(root, "eligibility/study_pop/textblock"),
    )


def _enrolment(element: Element | None) -> Enrolment | None:
    count = "" if element is None else (element.text or "").strip()
    if element is None or not re.fullmatch(r"[0-9]{1,9}", count):
        return None
    return Enrolment(int(count), _actual(element))


def _site(element: Element) -> Site:
    return Site(
        facility=_text(element, "facility/name"),
        status=_status(_text(element, "status")),
        city=_text(element, "facility/address/city"),
        state=_text(element, "facility/address/state"),
        postal_code=_text(element, "facility/address/zip"),
        country=_text(element, "facility/address/country"),
        contacts=(
            *_contacts(element, ("contact", "contact"), ("contact_backup", "backup")),
            *(
                Contact(_person(each), register_word(_text(each, "role")))
                for each in element.findall("investigator")
                if _person(each)
            ),
        ),
    )


def _contacts(root: Element, *tags: tuple[str, str]) -> tuple[Contact, ...]:
    return tuple(
        Contact(
            name,
            role,
            _text(each, "phone").removeprefix("Phone:").strip(),
            extension=_text(each, "phone_ext"),
            email=_text(each, "email"),
        )
        for tag, role in tags
        for each in root.findall(tag)
        if (name := _person(each))
    )


def _person(element: Element) -> str:
    """First, middle and last name, and the degrees as ClinicalTrials.gov prints them."""
    names = " ".join(filter(None, (_text(element, tag) for tag in ("first_name", "middle_name", "last_name"))))
    return ", ".join(filter(None, (names, _text(element, "degrees"))))


def _organisations(root: Element, path: str) -> tuple[Organisation, ...]:
    return tuple(
        Organisation(name, register_word(_text(each, "agency_class")))
        for each in root.findall(path)
        if (name := _text(each, "agency"))
    )


def _names_in(root: Element, arm: str) -> tuple[str, ...]:
    """The interventions of an arm, which XML lists the other way round."""
    return tuple(
        name
        for each in root.findall("intervention")
        if arm in _texts(each, "arm_group_label") and (name := _text(each, "intervention_name"))
    )


def _date(element: Element | None) -> RegisteredDate | None:
    match = None if element is None else _DATE.fullmatch((element.text or "").strip())
    if element is None or match is None or match["month"].lower() not in _MONTHS:
        return None
    month = _MONTHS.index(match["month"].lower()) + 1
    day = f"-{int(match['day']):02}" if match["day"] else ""
    return RegisteredDate(f"{match['year']}-{month:02}{day}", _actual(element))


def _actual(element: Element) -> bool | None:
    return {"actual": True, "anticipated": False, "estimate": False, "estimated": False}.get(
        element.get("type", "").lower()
    )


def _status(text: str) -> str:
    word = register_word(text)
    return "unknown" if word == "unknown-status" else word


def _unless_na(text: str) -> str:
    return "" if text.upper() == "N/A" else register_word(text)


def _raw(root: Element, path: str) -> str:
    return root.findtext(path) or ""


def _text(root: Element, path: str) -> str:
    return " ".join(_raw(root, path).split())


def _texts(root: Element, path: str) -> tuple[str, ...]:
    return tuple(filter(None, (" ".join((each.text or "").split()) for each in root.findall(path))))


def _prose(root: Element, path: str) -> str:
    """Paragraphs with their indentation and line ends undone."""
    return "\n\n".join(" ".join(each.split()) for each in re.split(r"\n\s*\n", _raw(root, path)) if each.strip())
