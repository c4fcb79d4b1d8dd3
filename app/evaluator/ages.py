"""Age and sex, as the Patient resource has them."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from app.criteria.nodes import AgeIs, Op, Sex, SexIs
from app.criteria.time import Duration, after, completed
from app.criteria.words import range_words
from app.evaluator.truth import Truth, all_of
from app.evaluator.verdict import Basis, Evidence, Missing, Role, Verdict

if TYPE_CHECKING:
    from app.criteria.nodes import AgeBound, Criterion
    from app.evaluator.case import Case

_ROLES = {Truth.TRUE: Role.SUPPORTS, Truth.FALSE: Role.CONTRADICTS, Truth.UNKNOWN: Role.CONSIDERED}


def judge_age(case: Case, node: AgeIs) -> Verdict:
    """The verdict on an AgeIs; a partial birth date gives every age that it allows."""
    patient = case.chart.patient
    birth = case.birth
    said, lengths = case.memory.of_node(node, None, lambda: _asked(node))
    if birth is None or birth.earliest is None or birth.latest is None:
        return no_birth_date(node)
    oldest = _holds(node, birth.earliest, case.as_of)
    youngest = _holds(node, min(birth.latest, case.as_of), case.as_of)
    unit = node.bounds[0].age.unit
    age = completed(birth.earliest, case.as_of, unit)
    holds = oldest if oldest is youngest else Truth.UNKNOWN
    if holds is not Truth.UNKNOWN and not _steady(node, birth.earliest, birth.latest, case.as_of, holds):
        holds = Truth.UNKNOWN
    shown = Evidence(patient.source.reference, _ROLES[holds], "Patient.birthDate", f"{age} {unit}s", birth.text)
    if holds is Truth.UNKNOWN:
        return Verdict(
            holds, node, Basis.NONE, f"Born {birth.text}: whether the age is {said} hangs on the day.", (shown,),
            (Missing("Patient", "exact birth date"),),
        )  # fmt: skip
    verb = "is" if holds is Truth.TRUE else "is not"
    about = "" if birth.earliest == birth.latest else "about "
    return Verdict(
        holds,
        node,
        Basis.EVIDENCE,
        f"Age {about}{age} {unit}{'' if age == 1 else 's'} (born {birth.text}) {verb} {said}.",
        (shown,),
        turns_on=_turns(node, lengths, birth.latest, case.as_of, holds) if birth.earliest == birth.latest else None,
    )


def no_birth_date(node: Criterion) -> Verdict:
    """The verdict where an age is asked for and there is nothing to count from."""
    missing = (Missing("Patient", "birth date"),)
    return Verdict(Truth.UNKNOWN, node, Basis.NONE, "The birth date is not recorded.", missing=missing)


def _holds(node: AgeIs, born: date, on: date) -> Truth:
    return all_of([_one(each, born, on) for each in node.bounds])


def _one(bound: AgeBound, born: date, on: date) -> Truth:
    age = completed(born, on, bound.age.unit)
    limit = bound.age.count
    if bound.op is Op.LT:
        holds = age < limit
    elif bound.op is Op.LE:
        holds = age <= limit
    elif bound.op is Op.GE:
        holds = age >= limit
    else:
        holds = age > limit
    return Truth.TRUE if holds else Truth.FALSE


def _steady(node: AgeIs, earliest: date, latest: date, on: date, holds: Truth) -> bool:
    """Whether no birth day in between answers otherwise: both ends may lie outside on either side."""
    if earliest == latest:
        return True
    middle = date.fromordinal((earliest.toordinal() + min(latest, on).toordinal()) // 2)
    return _holds(node, middle, on) is holds


def _asked(node: AgeIs) -> tuple[str, tuple[Duration, ...]]:
    """The bounds in words, and the ages at which the answer can change."""
    ages = []
    for each in node.bounds:
        for more in (0, 1):
            with suppress(ValueError):  # longer than the calendar
                ages.append(Duration(Decimal(int(each.age.count) + more), each.age.unit))
    return range_words((each.op, each.age.words()) for each in node.bounds), tuple(ages)


def _turns(node: AgeIs, lengths: tuple[Duration, ...], born: date, on: date, holds: Truth) -> date | None:
    """The first day on which growing older alone answers otherwise."""
    days = set()
    for each in lengths:
        if completed(born, on, each.unit) < each.count:  # that age lies ahead
            with suppress(ValueError):  # past the end of the calendar
                days.add(after(born, each))
    for day in sorted(days):
        if _holds(node, born, day) is not holds:
            return day
    return None


def judge_sex(case: Case, node: SexIs) -> Verdict:
    """The verdict on a SexIs; other and unknown leave it open."""
    patient = case.chart.patient
    if patient.gender not in {Sex.FEMALE, Sex.MALE}:
        return Verdict(
            Truth.UNKNOWN, node, Basis.NONE, "The recorded sex is neither female nor male.",
            (Evidence(patient.source.reference, Role.CONSIDERED, "Patient.gender", patient.gender or "", ""),)
            if patient.gender else (),
            (Missing("Patient", "administrative gender"),),
        )  # fmt: skip
    holds = Truth.TRUE if patient.gender == node.sex else Truth.FALSE
    shown = Evidence(patient.source.reference, _ROLES[holds], "Patient.gender", patient.gender, "")
    return Verdict(holds, node, Basis.EVIDENCE, f"The recorded sex is {patient.gender}.", (shown,))
