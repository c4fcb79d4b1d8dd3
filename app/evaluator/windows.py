"""Whether something that lasted from about then to about then falls into a window of time.

A partial date is an interval, so a period has four ends. All answers are three-valued: straddling is unknown.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import msgspec

from app.criteria.nodes import Timing
from app.criteria.time import after, before
from app.evaluator.truth import Truth

if TYPE_CHECKING:
    from app.criteria.nodes import When
    from app.criteria.time import DateSpan, Duration

DAWN = date.min
DUSK = date.max
_DAY = timedelta(days=1)


class Window(msgspec.Struct, frozen=True, gc=False):
    """The days from `first` to `last`; `closed=False` leaves the first out."""

    first: date
    last: date
    closed: bool = True


class Period(msgspec.Struct, frozen=True, gc=False):
    """It began on some day from `began_from` to `began_by` and ended on some day from `ended_from` to `ended_by`.

    What goes on has `ended_from` on the day of the question or later.
    """

    began_from: date
    began_by: date
    ended_from: date
    ended_by: date

    def onset(self) -> Period:
        """The moment it began, alone: for what happens at a moment."""
        return Period(self.began_from, self.began_by, self.began_from, self.began_by)


def span_of(span: DateSpan | None, otherwise: tuple[date, date]) -> tuple[date, date]:
    """Both ends of a partial date; `otherwise` where there is none, or where it is open on a side."""
    if span is None:
        return otherwise
    return (
        span.earliest if span.earliest is not None else otherwise[0],
        span.latest if span.latest is not None else otherwise[1],
    )


def window_of(when: When, as_of: date) -> Window:
    """The days that a timing asks about: this day, all days up to now, or those of the window."""
    match when.timing:
        case Timing.CURRENT:
            return Window(as_of, as_of)
        case Timing.EVER:
            return Window(DAWN, as_of)
        case Timing.WITHIN:
            if when.duration is None:
                msg = "A window has a duration."
                raise ValueError(msg)
            return Window(before(as_of, when.duration), as_of, when.closed)


def overlaps(period: Period, window: Window) -> Truth:
    """Whether some day of the period lies in the window."""
    first = window.first if window.closed else window.first + _DAY
    if period.began_from > window.last or period.ended_by < first:
        return Truth.FALSE
    if period.began_by <= window.last and period.ended_from >= first:
        return Truth.TRUE
    return Truth.UNKNOWN


def day_in(day: DateSpan | None, window: Window) -> Truth:
    """Whether a moment lies in the window; a day nobody wrote down leaves it open."""
    if day is None:
        return Truth.UNKNOWN
    start, end = span_of(day, (DAWN, DUSK))
    return overlaps(Period(start, end, start, end), window)


def leaves(period: Period, when: When, as_of: date) -> date | None:
    """The first day on which the period has left a window that it is in; None where it goes on or its end is not
    known.
    """
    if when.timing is not Timing.WITHIN or when.duration is None or period.ended_by >= as_of:
        return None
    last = period.ended_by
    try:
        return after(last + _DAY if when.closed else last, when.duration)
    except (OverflowError, ValueError):
        return None


def passes(ended_by: date, at_least: Duration) -> date | None:
    """The first day on which at least that long has passed since a day; None past the end of the calendar."""
    try:
        return after(ended_by, at_least)
    except ValueError:
        return None
