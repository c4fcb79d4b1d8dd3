"""How values, dates and codes are written in evidence and explanations. Plain text, the same every time."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from app.evaluator.facts import CodedValue, FlagValue, NumberValue, RangeValue, TextValue

if TYPE_CHECKING:
    from app.criteria.time import DateSpan
    from app.evaluator.facts import Coded, Coding, Value

_PLACES = 6
_MOST_DIGITS = 15  # what is longer was computed here, not written by a laboratory
_UNITLESS = frozenset({"", "1"})


def number_text(number: Decimal | Fraction) -> str:
    """A decimal as it was written; a fraction as its decimal where it is one, else to six places."""
    if isinstance(number, Decimal):
        text = format(number, "f")
        is_short = len(text) <= _MOST_DIGITS or len(number.as_tuple().digits) <= _MOST_DIGITS
        return text if is_short else _rounded(Fraction(number))
    rest = number.denominator
    for factor in (2, 5):
        while rest % factor == 0:
            rest //= factor
    if rest == 1:
        text = format(Decimal(number.numerator) / Decimal(number.denominator), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return _rounded(number)


def _rounded(number: Fraction) -> str:
    value = Decimal(number.numerator) / Decimal(number.denominator)
    if not value:
        return "0"
    places = max(0, _PLACES - 1 - value.adjusted())
    text = format(round(value, places), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def with_unit(number: Decimal | Fraction, unit: str) -> str:
    """A number and its unit; a number of its own where it has none."""
    text = number_text(number)
    return text if unit in _UNITLESS else f"{text} {unit}"


def value_text(value: Value | None) -> str:
    """What an observation says, as it says it."""
    match value:
        case None:
            return ""
        case NumberValue():
            return value.comparator + with_unit(value.value, value.unit or value.code)
        case RangeValue(low, high):
            return f"{value_text(low)} - {value_text(high)}"
        case CodedValue(coded):
            return coded_text(coded)
        case TextValue(text):
            return text
        case FlagValue(flag):
            return "true" if flag else "false"


def coded_text(coded: Coded) -> str:
    """The words of a CodeableConcept: its text, else a display, else a code."""
    if coded.text:
        return coded.text
    for coding in coded.codings:
        if coding.display:
            return coding.display
    return coded.codings[0].code if coded.codings else ""


def date_text(span: DateSpan | None) -> str:
    """A date as it was written."""
    return span.text if span is not None else ""


def on(span: DateSpan | None) -> str:
    """A day in a sentence: " on 2026-11-10", nothing where there is none."""
    return f" on {span.text[:10]}" if span is not None and span.text else ""


def period_text(start: DateSpan | None, end: DateSpan | None, *, ongoing: bool = False) -> str:
    """A period as it was written; it has no end where it goes on or nobody wrote it down."""
    if start is not None and end is not None and start.text == end.text:
        return start.text
    if start is None and end is None:
        return ""
    return f"{date_text(start)}/{date_text(end) or ('..' if ongoing else '')}"


def days_text(start: DateSpan | None, end: DateSpan | None) -> str:
    """A period in a sentence: its days, without times."""
    first, last = date_text(start)[:10], date_text(end)[:10]
    return first if first == last else f"{first} to {last}" if first and last else first or f"until {last}"


def first_coding(coded: Coded, hit: Coding | None = None) -> Coding | None:
    """The coding to cite: the one that matched, else the first."""
    if hit is not None:
        return hit
    return coded.codings[0] if coded.codings else None


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def listed(words: tuple[str, ...], joint: str = "and") -> str:
    """a, b and c."""
    if len(words) <= 1:
        return words[0] if words else ""
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"
