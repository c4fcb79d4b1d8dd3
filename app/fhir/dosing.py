"""Dosage instructions become `Dosing`: how much, how often a day, from when to when. Exact, or not said."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from app.evaluator.facts import Amount, Dosing
from app.fhir.values import (
    BadValue,
    Values,
    earliest_of,
    last_day,
    latest_of,
    read_duration,
    read_number,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.criteria.time import DateSpan
    from app.fhir import datatypes as fhir

# HL7 v3 GTSAbbreviation, the codes that the value set timing-abbreviation of FHIR takes from it. "MO" (monthly) is left
# out: a month has no fixed number of days.
_A_DAY = {
    "BID": Fraction(2), "TID": Fraction(3), "QID": Fraction(4), "AM": Fraction(1), "PM": Fraction(1), "QD": Fraction(1),
    "QOD": Fraction(1, 2), "Q1H": Fraction(24), "Q2H": Fraction(12), "Q3H": Fraction(8), "Q4H": Fraction(6),
    "Q6H": Fraction(4), "Q8H": Fraction(3), "BED": Fraction(1), "WK": Fraction(1, 7),
}  # fmt: skip

# Days in one of each of FHIR's units-of-time; months and years have no fixed number.
_DAYS = {"s": Fraction(1, 86400), "min": Fraction(1, 1440), "h": Fraction(1, 24), "d": Fraction(1), "wk": Fraction(7)}

_MAX_DECIMALS = 20


def read_dosing(values: Values, dosages: Iterable[fhir.Dosage], path: str) -> tuple[Dosing, ...]:
    """One `Dosing` per instruction, in order."""
    return tuple(_one(values, each, f"{path}[{place}]") for place, each in enumerate(dosages))


def _one(values: Values, dosage: fhir.Dosage, path: str) -> Dosing:
    if dosage.modifier_extension or (dosage.timing and dosage.timing.modifier_extension):
        raise BadValue(path, "modified by an extension that is not known")
    amount = high = None
    for place, each in enumerate(dosage.dose_and_rate or ()):
        low_, high_ = _dose(values, each, f"{path}.doseAndRate[{place}]")
        if place and (low_, high_) != (amount, high):
            amount = high = None  # ordered and calculated dose differ: neither is the dose
            break
        amount, high = low_, high_
    if dosage.dose is not None:
        amount = high = values.amount(dosage.dose, f"{path}.dose")
    often, most_often = _often(dosage.timing, path)
    if high is not None and often and most_often and most_often > often:
        high = _times(high, most_often / often)  # so that amount_high x per_day is the most in a day
        most_often = most_often if high is not None else None
    start, end = bounds(values, dosage.timing, f"{path}.timing")
    return Dosing(
        amount=amount,
        amount_high=high,
        per_day=exact(often) if often is not None and most_often is not None else None,
        max_per_day=_most(values, dosage.max_dose_per_period, f"{path}.maxDosePerPeriod"),
        as_needed=bool(
            dosage.as_needed_boolean or dosage.as_needed or dosage.as_needed_codeable_concept or dosage.as_needed_for
        ),
        start=start,
        end=end,
        text=dosage.text or "",
    )


def _dose(values: Values, each: fhir.DoseAndRate, path: str) -> tuple[Amount | None, Amount | None]:
    if each.dose_quantity is not None:
        amount = values.amount(each.dose_quantity, f"{path}.doseQuantity")
        return amount, amount
    if each.dose_range is not None:
        return (
            values.amount(each.dose_range.low, f"{path}.doseRange.low"),
            values.amount(each.dose_range.high, f"{path}.doseRange.high"),
        )
    return None, None


def exact(number: Fraction | None) -> Decimal | None:
    """The same number as a decimal; None where no decimal is (a third)."""
    if number is None:
        return None
    scaled, decimals = number, 0
    while scaled.denominator != 1:
        if decimals == _MAX_DECIMALS:
            return None
        scaled, decimals = scaled * 10, decimals + 1
    return Decimal(scaled.numerator).scaleb(-decimals)


def _times(amount: Amount, factor: Fraction) -> Amount | None:
    value = exact(Fraction(amount.value) * factor)
    return None if value is None else Amount(value, amount.unit)


def _often(timing: fhir.Timing | None, path: str) -> tuple[Fraction | None, Fraction | None]:
    """How often a day at least and at most; None where the timing does not say or it differs from day to day."""
    if timing is None:
        return None, None
    by_code = next(
        (_A_DAY[each.code] for each in (timing.code.coding if timing.code else None) or () if each.code in _A_DAY), None
    )
    repeat = timing.repeat
    if repeat is None:
        return by_code, by_code
    path = f"{path}.timing.repeat"
    frequency = _count(repeat.frequency, f"{path}.frequency")
    period = _count(repeat.period, f"{path}.period")
    if repeat.day_of_week:
        return None, None
    if period is None:
        if frequency is not None:
            return None, None
        daily = len(repeat.time_of_day or repeat.when or ())
        return (Fraction(daily), Fraction(daily)) if daily else (by_code, by_code)
    days = _DAYS.get(repeat.period_unit or "")
    if days is None or not period:
        return None, None
    if frequency is None:
        frequency = Fraction(len(repeat.time_of_day or repeat.when or ()) or 1)
    most = _count(repeat.frequency_max, f"{path}.frequencyMax") or frequency
    longest = _count(repeat.period_max, f"{path}.periodMax") or period
    return frequency / (longest * days), most / (period * days)


def _count(raw: fhir.Raw, path: str) -> Fraction | None:
    number = read_number(raw, path)
    if number is None:
        return None
    if number < 0:
        raise BadValue(path, f"{number}, which is less than none")
    return Fraction(number)


def _most(values: Values, ratios: fhir.Ratio | list[fhir.Ratio] | None, path: str) -> Amount | None:
    """The least of the daily maxima."""
    found = []
    for each in ratios if isinstance(ratios, list) else [ratios] if ratios else []:
        amount = values.amount(each.numerator, f"{path}.numerator")
        period = values.number(each.denominator, f"{path}.denominator")
        days = _DAYS.get((period.code or period.unit) if period else "")
        if amount is None or period is None or days is None or not period.value:
            continue
        value = exact(Fraction(amount.value) / (Fraction(period.value) * days))
        if value is not None:
            found.append(Amount(value, amount.unit))
    return min(found, key=lambda each: each.value) if len({each.unit for each in found}) == 1 else None


def bounds(values: Values, timing: fhir.Timing | None, path: str) -> tuple[DateSpan | None, DateSpan | None]:
    """First and last day that a Timing names."""
    if timing is None:
        return None, None
    events = [each for each in (values.date(text, f"{path}.event") for text in timing.event or ()) if each]
    start, end = earliest_of(events), latest_of(events)
    if timing.repeat is not None and timing.repeat.bounds_period is not None:
        first, last = values.ends(timing.repeat.bounds_period, f"{path}.repeat.boundsPeriod")
        start, end = first or start, last or end
    return start, end


def ends_after(start: DateSpan | None, dosages: Iterable[fhir.Dosage], path: str) -> DateSpan | None:
    """The last day of the longest instruction that says how long it is (boundsDuration), counted from `start`."""
    found = []
    for each in dosages:
        repeat = each.timing.repeat if each.timing else None
        length = read_duration(repeat.bounds_duration if repeat else None, f"{path}.timing.repeat.boundsDuration")
        end = last_day(start, length)
        if end is not None:
            found.append(end)
    return latest_of(found)
