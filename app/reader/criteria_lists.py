"""A trial of the NCI's Clinical Trials Search API (JSON), whose criteria came already split → a registration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from app.criteria.record import Design, Identifier, IdentifierUse, Organisation, RegisteredDate, RegistrationRecord
from app.reader.made_text import Line, made_of
from app.reader.normalise import normalise
from app.reader.read import read_items
from app.reader.registration import (
    Kind,
    Registration,
    UnusableStudy,
    read_population,
    register_word,
    unread_ages,
)

if TYPE_CHECKING:
    from app.criteria.record import Population
    from app.knowledge.catalogue import Catalogue

Json = dict[str, Any]
# The NCI's words for where a trial stands, in the words of the registers. Only "Active" is open to patients.
_STATUS = {
    "active": "recruiting",
    "administratively-complete": "terminated",
    "approved": "not-yet-recruiting",
    "closed-to-accrual": "active-not-recruiting",
    "closed-to-accrual-and-intervention": "active-not-recruiting",
    "complete": "completed",
    "in-review": "not-yet-recruiting",
    "temporarily-closed-to-accrual": "suspended",
    "temporarily-closed-to-accrual-and-intervention": "suspended",
}
_ROMAN = {"I": "1", "II": "2", "III": "3", "IV": "4"}
_NO_LIMIT = re.compile(r"\s*(?:999|0)\s*years?\s*", re.IGNORECASE)
# Words in capitals that stand over a part of the list and ask for nothing.
_HEADING = re.compile(
    r"(?=.*\b(?:ELIGIBILITY|ENROLLMENT|REGISTRATION|RANDOMIZATION|SCREENING|CRITERIA|STEP|PART|PHASE|COHORT|ARM|STRATUM)\b)"
    r"[A-Z0-9 ,/()&-]+:?\s*"
)
_DEEPER = re.compile(r"(?m)^(\s*)(\*+)(?=\s)")


def is_criteria_list(study: Json) -> bool:
    """Whether the object is a trial in this form: a list of criteria under `eligibility`."""
    eligibility = study.get("eligibility")
    return isinstance(eligibility, dict) and isinstance(eligibility.get("unstructured"), list)


def read_criteria_list(study: Json, catalogue: Catalogue) -> Registration:
    """A trial with its criteria already split. Spans point into a text that is made of them.

    UnusableStudy where a criterion does not say on which side it stands.
    """
    eligibility = study["eligibility"]
    fields = eligibility.get("structured")
    fields = fields if isinstance(fields, dict) else {}
    low, high = (
        "" if _NO_LIMIT.fullmatch(_text(fields, key)) else _text(fields, key) for key in ("min_age", "max_age")
    )
    volunteers = fields.get("accepts_healthy_volunteers")
    taken = "yes" if volunteers is True else "no" if volunteers is False else ""
    population = read_population(low, high, _text(fields, "sex"), taken)
    record = _record(study, population)
    made = made_of(_lines(eligibility["unstructured"]))
    about = (*record.conditions, record.brief_title or record.official_title)
    criteria, notes = read_items(made.text, made.items(normalise(made.text)), population, about, catalogue)
    registered = next((each.value for each in record.identifiers if each.use is IdentifierUse.REGISTRY), None)
    return Registration(registered, record, made.text, made.told(criteria), (*unread_ages(low, high), *notes))


def _lines(given: list[Any]) -> list[Line]:
    ordered: list[tuple[int, int, Line]] = []
    for place, each in enumerate(given):
        here = f"/eligibility/unstructured/{place}"
        if not isinstance(each, dict):
            raise UnusableStudy(here, "A criterion is an object with `description` and `inclusion_indicator`.")
        side, text, order = each.get("inclusion_indicator"), each.get("description"), each.get("display_order")
        if not isinstance(side, bool):
            raise UnusableStudy(
                f"{here}/inclusion_indicator", "It is not said whether the criterion includes: true or false."
            )
        if not isinstance(text, str) or not text.strip():
            continue
        text = _DEEPER.sub(_indented, "\n".join(line.rstrip() for line in text.strip().splitlines() if line.strip()))
        kind = Kind.INCLUSION if side else Kind.EXCLUSION
        line = Line(text, kind, is_heading=_HEADING.fullmatch(text) is not None)
        ordered.append((order if isinstance(order, int) else place, place, line))
    return [line for _, _, line in sorted(ordered, key=lambda each: each[:2])]


def _indented(match: re.Match[str]) -> str:
    """Two stars are a deeper level than one."""
    return f"{match[1]}{'  ' * (len(match[2]) - 1)}*"


def _record(study: Json, population: Population) -> RegistrationRecord:
    numbers = (
        ("nct_id", IdentifierUse.REGISTRY, ""),
        ("protocol_id", IdentifierUse.ORGANISATION, ""),
        ("nci_id", IdentifierUse.SECONDARY, "nci"),
        ("ccr_id", IdentifierUse.SECONDARY, "ccr"),
        ("ctep_id", IdentifierUse.SECONDARY, "ctep"),
        ("dcp_id", IdentifierUse.SECONDARY, "dcp"),
    )
    status = register_word(study.get("current_trial_status"))
    start = _text(study, "start_date")
    sponsor = _text(study, "lead_org")
    return RegistrationRecord(
        identifiers=tuple(Identifier(value, use, kind) for key, use, kind in numbers if (value := _text(study, key))),
        brief_title=_text(study, "brief_title"),
        official_title=_text(study, "official_title"),
        acronym=_text(study, "acronym"),
        summary=_text(study, "brief_summary"),
        description=_text(study, "detail_description"),
        status=_STATUS.get(status, status) or "unknown",
        design=Design(
            study_type=register_word(study.get("study_protocol_type")),
            phases=tuple(_ROMAN[each] for each in re.split(r"[/_]", _text(study, "phase").upper()) if each in _ROMAN),
            primary_purpose=register_word(study.get("primary_purpose")),
        ),
        population=population,
        conditions=_conditions(study),
        sponsor=Organisation(sponsor) if sponsor else None,
        start=RegisteredDate(start) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", start) else None,
    )


def _conditions(study: Json) -> tuple[str, ...]:
    """The names of the lead diseases, where the list of diseases came along."""
    found = study.get("diseases")
    named = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    leading = [each for each in named if each.get("is_lead_disease") is True]
    return tuple(dict.fromkeys(filter(None, (_text(each, "name") or _text(each, "display_name") for each in leading))))


def _text(holder: Json, key: str) -> str:
    value = holder.get(key)
    return value.strip() if isinstance(value, str) else ""
