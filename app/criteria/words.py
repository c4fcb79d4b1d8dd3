"""How the values inside a node are written in plain words, the same in what a criterion says and in why it holds."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from app.criteria.nodes import Bound, NormalLimit, Op, Quantity, Timing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.criteria.nodes import Dose, When

OP_WORDS = {Op.LT: "below", Op.LE: "at most", Op.GE: "at least", Op.GT: "above"}

# UCUM codes that people write in another way.
_UNIT_WORDS = {
    "10*9/L": "x 10^9/L",
    "10*6/L": "x 10^6/L",
    "10*12/L": "x 10^12/L",
    "10*3/uL": "x 10^3/uL",
    "[IU]/mL": "IU/mL",
    "[iU]/mL": "IU/mL",
    "[IU]/L": "IU/L",
    "{copies}/mL": "copies/mL",
    "{copy}/mL": "copies/mL",
    "mg/d": "mg/day",
    "Cel": "°C",
    "mm[Hg]": "mmHg",
}
_UNITLESS = frozenset({"", "1", "{INR}", "{score}", "{ratio}"})


def decimal_words(number: Decimal) -> str:
    """Without an exponent, and without zeros that say nothing: 3, 0.5, 10."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity_words(quantity: Quantity) -> str:
    """For example "1.5 mg/dL", "100 x 10^9/L", "1.5"."""
    number = decimal_words(quantity.value)
    return number if quantity.unit in _UNITLESS else f"{number} {_UNIT_WORDS.get(quantity.unit, quantity.unit)}"


def limit_words(limit: Quantity | NormalLimit) -> str:
    """For example "3 x ULN", "ULN + 4 s", or the quantity."""
    if isinstance(limit, Quantity):
        return quantity_words(limit)
    text = str(limit.end) if limit.factor == 1 else f"{decimal_words(limit.factor)} x {limit.end}"
    return text if limit.plus is None else f"{text} + {quantity_words(limit.plus)}"


def range_words(bounds: Iterable[tuple[Op, str]]) -> str:
    """Bounds as one phrase: "between 0 and 1" for two closed ends, else joined by "and"."""
    given = tuple(bounds)
    if len(given) == 2 and {op for op, _ in given} == {Op.GE, Op.LE}:
        low = next(text for op, text in given if op is Op.GE)
        high = next(text for op, text in given if op is Op.LE)
        return f"between {low} and {high}"
    return " and ".join(f"{OP_WORDS[op]} {text}" for op, text in given)


def bounds_words(bounds: Iterable[Bound]) -> str:
    """All bounds of a measurement as one phrase."""
    return range_words((each.op, limit_words(each.limit)) for each in bounds)


def when_words(when: When) -> str:
    """For example "at any time", "within 4 weeks"; empty for now."""
    match when.timing:
        case Timing.CURRENT:
            return ""
        case Timing.EVER:
            return "at any time"
        case Timing.WITHIN:
            length = when.duration.words() if when.duration is not None else "the window"
            return f"within {length}" if when.closed else f"less than {length} ago"


def dose_words(dose: Dose) -> str:
    """For example "above 10 mg/day of prednisone or its equivalent"."""
    text = f"{OP_WORDS[dose.op]} {quantity_words(dose.per_day)}"
    if dose.equivalent is None:
        return text
    return f"{text} of {dose.equivalent.replace('-', ' ')} or its equivalent"
