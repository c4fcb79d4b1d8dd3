"""Measured numbers: read with their unit, as an exact interval, and compared with a limit in the same unit."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from app.criteria.nodes import Op
from app.evaluator.facts import NumberValue, RangeValue
from app.evaluator.truth import Truth
from app.knowledge.ucum import NotComparable, UnitError

if TYPE_CHECKING:
    from decimal import Decimal

    from app.evaluator.facts import Value
    from app.knowledge.catalogue import Analyte, Catalogue

_UCUM = "http://unitsofmeasure.org"


class Interval(msgspec.Struct, frozen=True, gc=False):
    """The numbers a value may be, in `unit`: from `low` to `high`, None open; an end itself is out where it says so."""

    low: Fraction | None
    high: Fraction | None
    unit: str
    low_out: bool = False
    high_out: bool = False


class Unreadable(msgspec.Struct, frozen=True, gc=False):
    """Why a value is no number with a unit."""

    reason: str


def read_unit(number: NumberValue, analyte: Analyte, catalogue: Catalogue) -> str | Unreadable:
    """The UCUM code; what has no unit by nature (INR, pH) needs none, everything else does."""
    units = catalogue.units
    if number.code and number.system in {"", _UCUM}:
        found = units.read(number.code)
        if found is not None:
            return found
    if number.unit:
        found = units.read(number.unit)
        if found is not None:
            return found
    if number.code or number.unit:
        return Unreadable(f"the unit “{number.unit or number.code}” is not known")
    if is_plain(analyte.unit, catalogue):
        return "1"
    return Unreadable("it has no unit")


def is_plain(unit: str, catalogue: Catalogue) -> bool:
    """Whether a unit is the number one, however it is annotated."""
    try:
        parsed = catalogue.units.parse(unit)
    except UnitError:
        return False
    return parsed.is_number and parsed.factor == 1


def read_interval(value: Value | None, analyte: Analyte, catalogue: Catalogue) -> Interval | Unreadable:
    """A number, a number with a comparator, or a range, in the unit it came in."""
    match value:
        case NumberValue():
            unit = read_unit(value, analyte, catalogue)
            return unit if isinstance(unit, Unreadable) else _with_comparator(value, unit)
        case RangeValue(low, high):
            ends = [each for each in (low, high) if each is not None]
            if not ends:
                return Unreadable("the range is empty")
            units = [read_unit(each, analyte, catalogue) for each in ends]
            first = units[0]
            if isinstance(first, Unreadable) or any(each != first for each in units):
                return first if isinstance(first, Unreadable) else Unreadable("the range has two units")
            return Interval(
                None if low is None else exact(low.value), None if high is None else exact(high.value), first
            )
        case _:
            return Unreadable("it is not a number")


def exact(number: Decimal) -> Fraction:
    """The same number; from two integers, for which a fraction is made without a look at what kind of number it is."""
    return Fraction(*number.as_integer_ratio())


def _with_comparator(value: NumberValue, unit: str) -> Interval | Unreadable:
    number = exact(value.value)
    match value.comparator:
        case "":
            return Interval(number, number, unit)
        case "<":
            return Interval(None, number, unit, high_out=True)
        case "<=":
            return Interval(None, number, unit)
        case ">":
            return Interval(number, None, unit, low_out=True)
        case ">=":
            return Interval(number, None, unit)
        case _:
            return Unreadable(f"the comparator {value.comparator} is not a limit")


def convert(interval: Interval, unit: str, analyte: Analyte, catalogue: Catalogue) -> Interval | Unreadable:
    """The interval in another unit, by dimension, molar mass or charge; why not, where there is no way."""
    if interval.unit == unit:
        return interval
    low, high = interval.low, interval.high
    try:
        there = None if low is None else _convert(low, interval.unit, unit, analyte, catalogue)
        above = (
            there
            if high is low or high == low
            else (None if high is None else _convert(high, interval.unit, unit, analyte, catalogue))
        )
    except NotComparable as found:
        return Unreadable(f"{interval.unit} cannot be converted to {unit}: {found.reason}")
    except UnitError:
        return Unreadable(f"{interval.unit} cannot be converted to {unit}")
    return Interval(there, above, unit, interval.low_out, interval.high_out)


def _convert(number: Fraction, source: str, target: str, analyte: Analyte, catalogue: Catalogue) -> Fraction:
    return catalogue.units.convert(
        number, source, target, molar_mass=analyte.molar_mass, charge=analyte.charge, enzyme=analyte.enzyme
    )


def compare(value: Interval, op: Op, limit: Fraction) -> Truth:
    """Whether all, none or some of the numbers satisfy the limit."""
    match op:
        case Op.LT:
            return _under(value, limit, itself=False)
        case Op.LE:
            return _under(value, limit, itself=True)
        case Op.GE:
            return _turned(_under(value, limit, itself=False))
        case Op.GT:
            return _turned(_under(value, limit, itself=True))


def _under(value: Interval, limit: Fraction, *, itself: bool) -> Truth:
    """All of it below the limit (or at it, where that counts): true; none of it: false."""
    if value.high is not None:
        side = _beyond(value.high, limit)
        if side < 0 or (side == 0 and (itself or value.high_out)):
            return Truth.TRUE
    if value.low is not None:
        side = _beyond(value.low, limit)
        if side > 0 or (side == 0 and (not itself or value.low_out)):
            return Truth.FALSE
    return Truth.UNKNOWN


def _beyond(number: Fraction, limit: Fraction) -> int:
    """Negative below the limit, 0 at it, positive above. In integers: comparing fractions begins with their types."""
    return number.numerator * limit.denominator - limit.numerator * number.denominator


_TURNED = {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE, Truth.UNKNOWN: Truth.UNKNOWN}


def _turned(holds: Truth) -> Truth:
    return _TURNED[holds]
