"""Daily doses: the sum of what runs at the same time, in milligrams or in equivalents of one drug, as far as records
say.

Every dose is an interval. As-needed drugs may not be taken at all, tapers change, and the same drug may be recorded
twice
(an order and its dispensing): the lower end takes the least reading, the upper end the most.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from app.criteria.nodes import Dose, Op
from app.evaluator.truth import Truth
from app.evaluator.verdict import Missing
from app.evaluator.wording import coded_text, with_unit
from app.knowledge.ucum import UnitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from app.evaluator.case import Case
    from app.evaluator.facts import Amount, Coded, Dosing, TreatmentFact
    from app.evaluator.windows import Period, Window
    from app.knowledge.catalogue import Catalogue, Drug

_PREDNISONE = frozenset({"prednisone", "prednisolone"})
_PREDNISONE_MG = 5
_TABLETS = frozenset(
    "1 tablet tablets tab tabs tbl capsule capsules cap caps {tbl} {tablet} {tab} {capsule} {cap}".split()  # noqa: SIM905 - one line
)


class Exposure(msgspec.Struct, frozen=True, gc=False):
    """A drug that certainly (or perhaps) ran in a period, with the least and the most a day; `most` None: no
    telling.
    """

    fact: TreatmentFact
    period: Period
    counts: Truth
    least: Fraction
    most: Fraction | None
    drug: str


class DoseAnswer(msgspec.Struct, frozen=True, gc=False):
    """Whether the dose is as asked, what is missing where that is open, and the total in words."""

    holds: Truth
    missing: tuple[Missing, ...]
    text: str


def exposure_of(case: Case, fact: TreatmentFact, period: Period, counts: Truth, dose: Dose) -> Exposure:
    """The daily dose of one record in the unit (or the equivalents) of a limit."""
    least, most = _daily(case, fact, _plain_unit(dose.per_day.unit))
    factor = _factor(case, fact, dose)
    if factor is None:
        least, most = Fraction(0), None
    else:
        least, most = least * factor, None if most is None else most * factor
    return Exposure(fact, period, counts, least, most, _drug_key(case, fact))


def judge_dose(exposures: Sequence[Exposure], dose: Dose, window: Window) -> DoseAnswer:
    """The highest total of any day of the window against the limit."""
    least, most = highest(exposures, window)
    limit = Fraction(dose.per_day.value)
    low = _satisfies(least, dose.op, limit)
    high = None if most is None else _satisfies(most, dose.op, limit)
    unit = dose.per_day.unit
    text = (
        with_unit(least, unit)
        if least == most
        else (
            f"{with_unit(least, unit)} or more"
            if most is None
            else f"{with_unit(least, unit)} to {with_unit(most, unit)}"
        )
    )
    if dose.op in {Op.GT, Op.GE} and low:
        return DoseAnswer(Truth.TRUE, (), text)
    if high is not None and low == high:
        return DoseAnswer(Truth.TRUE if low else Truth.FALSE, (), text)
    if dose.op in {Op.LT, Op.LE} and not low:
        return DoseAnswer(Truth.FALSE, (), text)
    open_ = [each for each in exposures if each.most is None] or list(exposures)
    missing = tuple(
        dict.fromkeys(Missing(each.fact.source.type, f"daily dose of {coded_text(each.fact.code)}") for each in open_)
    )
    return DoseAnswer(Truth.UNKNOWN, missing, text)


def highest(exposures: Sequence[Exposure], window: Window) -> tuple[Fraction, Fraction | None]:
    """The least and the most that the highest daily total of the window can be; None where there is no telling."""
    least, most = Fraction(0), Fraction(0)
    unbounded = False
    for day in _days(exposures, window):
        running = [each for each in exposures if each.period.began_from <= day <= each.period.ended_by]
        certain = [
            each for each in running
            if each.counts is Truth.TRUE and each.period.began_by <= day <= each.period.ended_from
        ]  # fmt: skip
        least = max(least, _least_sum(certain))
        if any(each.most is None for each in running):
            unbounded = True
        most = max(most, sum((each.most for each in running if each.most is not None), Fraction(0)))
    return least, None if unbounded else most


def _days(exposures: Iterable[Exposure], window: Window) -> list[date]:
    """Days on which a total can be at its highest: those on which something begins, and the window's first."""
    days = {window.first, window.last}
    for each in exposures:
        for day in (each.period.began_from, each.period.began_by, each.period.ended_from):
            if window.first <= day <= window.last:
                days.add(day)
    return sorted(days)


def _least_sum(exposures: Iterable[Exposure]) -> Fraction:
    """Each drug once by the type of record that says most of it: an order and its dispensing are one dose."""
    by_drug: dict[str, dict[str, dict[tuple[str, Fraction], Fraction]]] = {}
    for each in exposures:
        product = coded_text(each.fact.code)
        by_type = by_drug.setdefault(each.drug, {}).setdefault(each.fact.source.type, {})
        by_type[product, each.least] = each.least
    return sum(
        (max(sum(doses.values(), Fraction(0)) for doses in by_type.values()) for by_type in by_drug.values()),
        Fraction(0),
    )


def _satisfies(total: Fraction, op: Op, limit: Fraction) -> bool:
    return {Op.LT: total < limit, Op.LE: total <= limit, Op.GE: total >= limit, Op.GT: total > limit}[op]


def _plain_unit(per_day: str) -> str:
    return per_day.removesuffix("/d")


def _daily(case: Case, fact: TreatmentFact, unit: str) -> tuple[Fraction, Fraction | None]:
    """The least and the most a day that the instructions say; several may follow each other or add up."""
    if not fact.dosing:
        return Fraction(0), None
    doses = [_one(case, fact, each, unit) for each in fact.dosing]
    least = min(low for low, _ in doses)
    highs = [high for _, high in doses if high is not None]
    return least, sum(highs, Fraction(0)) if len(highs) == len(doses) else None


def _one(case: Case, fact: TreatmentFact, dosing: Dosing, unit: str) -> tuple[Fraction, Fraction | None]:
    low = _amount(case, fact, dosing.amount, unit)
    high = _amount(case, fact, dosing.amount_high or dosing.amount, unit)
    cap = _amount(case, fact, dosing.max_per_day, unit)
    often = Fraction(dosing.per_day) if dosing.per_day is not None else None
    if often is None and fact.source.type == "MedicationAdministration":
        often = Fraction(1)  # what was given, was given once on that day
    if low is None or high is None or often is None:
        return Fraction(0), cap
    least, most = low * often, high * often
    if dosing.as_needed:
        least = Fraction(0)
    if fact.source.type == "MedicationAdministration" and fact.start is not None and fact.end is not None:
        first, last = fact.start.earliest, fact.end.latest
        if first is not None and last is not None and last > first and dosing.per_day is None:
            least = least / ((last - first).days + 1)
    if cap is not None:
        most = min(most, cap)
        least = min(least, cap)
    return least, most


def _amount(case: Case, fact: TreatmentFact, amount: Amount | None, unit: str) -> Fraction | None:
    """An amount in the unit; tablets by the strength of the product."""
    if amount is None:
        return None
    number = Fraction(amount.value)
    if amount.unit.strip().lower() in _TABLETS:
        strength = _strength(case, fact)
        return None if strength is None else _converted(case.catalogue, number * strength, "mg", unit)
    code = case.catalogue.units.read(amount.unit) if amount.unit else None
    return None if code is None else _converted(case.catalogue, number, code, unit)


def _converted(catalogue: Catalogue, number: Fraction, source: str, target: str) -> Fraction | None:
    try:
        return catalogue.units.convert(number, source, target)
    except UnitError:
        return None


def _strength(case: Case, fact: TreatmentFact) -> Fraction | None:
    for coding in fact.code.codings:
        product = case.catalogue.products.get(coding.code) if coding.system == "rxnorm" else None
        if product is not None and product.strength_mg is not None and len(product.ingredients) == 1:
            return Fraction(product.strength_mg)
    return None


def drugs_of(case: Case, fact: TreatmentFact) -> tuple[Drug, ...]:
    """The ingredients that the catalogue knows of a record, by RxNorm code, else by the one drug of a concept it is."""
    coded = (fact.code, *fact.ingredients)
    key = ("drugs", *map(id, coded))
    found: tuple[tuple[Drug, ...], tuple[Coded, ...]] | None = case.memo.get(key)
    if found is None:
        # The codes are kept with their drugs, so that their ids stay their own.
        found = case.memo[key] = (_drugs_of(case.catalogue, coded), coded)
    return found[0]


def _drugs_of(catalogue: Catalogue, all_coded: tuple[Coded, ...]) -> tuple[Drug, ...]:
    found: dict[str, Drug] = {}
    for coded in all_coded:
        for coding in coded.codings:
            if coding.system == "rxnorm":
                product = catalogue.products.get(coding.code)
                for each in product.ingredients if product is not None else (coding.code,):
                    if each in catalogue.drugs:
                        found[each] = catalogue.drugs[each]
    if found:
        return tuple(found[each] for each in sorted(found))
    for coded in all_coded:
        for coding in coded.codings:
            for concept in sorted(catalogue.index.place(coding.system, coding.code).concepts):
                entry = catalogue.concepts.get(concept)
                codes = {each.code for each in entry.codes if each.system == "rxnorm"} if entry is not None else set()
                drugs = [catalogue.drugs[each] for each in sorted(codes) if each in catalogue.drugs]
                if len(drugs) == 1:
                    return (drugs[0],)
    return ()


def _factor(case: Case, fact: TreatmentFact, dose: Dose) -> Fraction | None:
    """By what a dose of the drug is multiplied to be one of the equivalent; None where the table has no figure."""
    if dose.equivalent is None:
        return Fraction(1)
    if dose.equivalent not in _PREDNISONE:
        return None
    factors = {
        Fraction(_PREDNISONE_MG) / Fraction(each.prednisone_5mg)
        for each in drugs_of(case, fact)
        if each.prednisone_5mg is not None
    }
    return factors.pop() if len(factors) == 1 else None


def _drug_key(case: Case, fact: TreatmentFact) -> str:
    drugs = drugs_of(case, fact)
    return "+".join(each.rxcui for each in drugs) if drugs else coded_text(fact.code).lower()
