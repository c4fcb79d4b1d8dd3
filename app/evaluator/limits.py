"""Limits as multiples of a reference range: the range of the same observation that fits the patient, or the site's."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from app.criteria.nodes import NormalEnd, NormalLimit
from app.criteria.time import TimeUnit, completed
from app.evaluator.facts import NumberValue
from app.evaluator.matching import has_code
from app.evaluator.quantities import Interval, Unreadable, convert, exact, read_unit
from app.evaluator.truth import Truth, all_of
from app.evaluator.wording import coded_text
from app.knowledge.catalogue import Modifier

if TYPE_CHECKING:
    from app.evaluator.case import Case
    from app.evaluator.facts import Coded, ObservationFact, ReferenceRange
    from app.knowledge.catalogue import Analyte

# HL7 referencerange-meaning: the value expected for the population; the others are targets and treatment ranges.
_NORMAL = frozenset({"normal"})
_SEXES = (Modifier.FEMALE, Modifier.MALE)
_SEX_WORDS = {
    "female": "female", "f": "female", "women": "female", "woman": "female",
    "male": "male", "m": "male", "men": "male", "man": "male",
}  # fmt: skip
_YEAR_UNITS = {
    "a": TimeUnit.YEAR, "a_j": TimeUnit.YEAR, "a_g": TimeUnit.YEAR,
    "mo": TimeUnit.MONTH, "wk": TimeUnit.WEEK, "d": TimeUnit.DAY,
}  # fmt: skip


class End(msgspec.Struct, frozen=True, gc=False):
    """An end of a reference range in the value's unit; `text` cites it; `fits` says whether it is for this patient."""

    value: Fraction
    fits: Truth
    text: str
    place: int | None


def ends_of(case: Case, fact: ObservationFact, analyte: Analyte, limit: NormalLimit, unit: str) -> list[End]:
    """The ends that may be meant, in the value's unit; empty where there is none."""
    found = []
    for place, each in enumerate(fact.ranges):
        if not _is_normal(each.type) or not _is_range(each):
            continue
        end = each.high if limit.end is NormalEnd.UPPER else each.low
        if end is None:
            continue
        fits = _fits(case, fact, each)
        if fits is Truth.FALSE:
            continue
        value = _in_unit(end, unit, analyte, case)
        if value is not None:
            found.append(End(value, fits, _text(end, fact), place))
    if not found and not fact.ranges:
        found = _site(case, analyte, limit, unit)
    return found


def limit_value(end: End, limit: NormalLimit, unit: str, analyte: Analyte, case: Case) -> Fraction | Unreadable:
    """`factor` x the end, plus the quantity where there is one, in the value's unit."""
    value = end.value * Fraction(limit.factor)
    if limit.plus is None:
        return value
    plus = convert(
        Interval(Fraction(limit.plus.value), Fraction(limit.plus.value), limit.plus.unit), unit, analyte, case.catalogue
    )
    if isinstance(plus, Unreadable) or plus.low is None:
        return plus if isinstance(plus, Unreadable) else Unreadable("the limit has no number")
    return value + plus.low


def _in_unit(end: NumberValue, unit: str, analyte: Analyte, case: Case) -> Fraction | None:
    """The end in the value's unit, which is also its own where it has none."""
    value = exact(end.value)
    if not end.code and not end.unit:
        return value
    own = read_unit(end, analyte, case.catalogue)
    if isinstance(own, Unreadable):
        return None
    found = convert(Interval(value, value, own), unit, analyte, case.catalogue)
    return None if isinstance(found, Unreadable) else found.low


def _site(case: Case, analyte: Analyte, limit: NormalLimit, unit: str) -> list[End]:
    configured = case.settings.ranges.get(analyte.id)
    if configured is None:
        return []
    end = configured.high if limit.end is NormalEnd.UPPER else configured.low
    if end is None:
        return []
    found = convert(Interval(Fraction(end.value), Fraction(end.value), end.unit), unit, analyte, case.catalogue)
    if isinstance(found, Unreadable) or found.low is None:
        return []
    return [End(found.low, Truth.TRUE, f"{end.value} {end.unit}, the site's range", None)]


def _text(end: NumberValue, fact: ObservationFact) -> str:
    unit = end.unit or end.code
    if not unit and isinstance(fact.value, NumberValue):
        unit = fact.value.unit or fact.value.code
    return f"{end.value:f} {unit}".strip()


def _is_normal(kind: Coded) -> bool:
    codes = {each.code for each in kind.codings if each.code}
    if codes:
        return bool(codes & _NORMAL)
    return not kind.text or kind.text.strip().lower().startswith("normal")


def _is_range(each: ReferenceRange) -> bool:
    """Whether it can be one: what ends at nothing, or before it begins, was entered in error."""
    if each.high is None:
        return True
    if each.high.value <= 0:
        return False
    comparable = each.low is not None and (each.low.code, each.low.unit) == (each.high.code, each.high.unit)
    return not comparable or each.low is None or each.low.value <= each.high.value


def _fits(case: Case, fact: ObservationFact, each: ReferenceRange) -> Truth:
    parts = [_fits_sex(case, one) for one in each.applies]
    if each.age_low is not None or each.age_high is not None:
        parts.append(_fits_age(case, fact, each))
    return all_of(parts)


def _fits_sex(case: Case, applies: Coded) -> Truth:
    sexes = {each.value for each in _SEXES if has_code(applies, case.catalogue.modifiers[each])}
    word = _SEX_WORDS.get(coded_text(applies).strip().lower())
    if word is not None:
        sexes.add(word)
    if len(sexes) != 1 or case.chart.patient.gender not in {"male", "female"}:
        return Truth.UNKNOWN
    return Truth.TRUE if case.chart.patient.gender in sexes else Truth.FALSE


def _fits_age(case: Case, fact: ObservationFact, each: ReferenceRange) -> Truth:
    birth, when = case.birth, fact.when
    if birth is None or birth.earliest is None or birth.earliest != birth.latest:
        return Truth.UNKNOWN
    day = when.latest if when is not None and when.latest is not None else case.as_of
    parts = []
    for end, is_low in ((each.age_low, True), (each.age_high, False)):
        if end is None:
            continue
        unit = _YEAR_UNITS.get(end.code or end.unit)
        if unit is None:
            return Truth.UNKNOWN
        age = completed(birth.earliest, day, unit)
        parts.append(Truth.TRUE if (age >= end.value if is_low else age <= end.value) else Truth.FALSE)
    return all_of(parts)
