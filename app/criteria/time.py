"""Calendar time as criteria use it: durations, windows on the calendar, completed ages, and dates known only in part.

Nothing here reads a clock: whoever asks brings the day. Days and weeks are exact; months and years follow the
calendar, so that "31 March minus one month" is the last day of February.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

_HOURS_A_DAY = 24
_DAYS_A_WEEK = 7
_MONTHS_A_YEAR = 12
_DAY = len("2026-11-22")

# More hours than the calendar of `date` has; the bounds keep the integers made from a hostile 1E+999999 small.
_MAX_COUNT = 100_000_000
_MAX_DECIMALS = 30


class TimeUnit(StrEnum):
    """What a duration is counted in."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


_ISO_FORMS = {
    TimeUnit.HOUR: "PT{}H",
    TimeUnit.DAY: "P{}D",
    TimeUnit.WEEK: "P{}W",
    TimeUnit.MONTH: "P{}M",
    TimeUnit.YEAR: "P{}Y",
}

# Calendar months, days and hours in one of each unit.
_STEPS = {
    TimeUnit.HOUR: (0, 0, 1),
    TimeUnit.DAY: (0, 1, 0),
    TimeUnit.WEEK: (0, _DAYS_A_WEEK, 0),
    TimeUnit.MONTH: (1, 0, 0),
    TimeUnit.YEAR: (_MONTHS_A_YEAR, 0, 0),
}


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time in the unit it was written in: 4 weeks and 28 days stay apart, 12 months and 1 year too.

    A ValueError is raised for a count that is negative, not finite, longer than the calendar or has more than 30
    decimals. Whether it can be counted on a calendar is said by `steps`.
    """

    count: Decimal
    unit: TimeUnit

    def __post_init__(self) -> None:
        if not self.count.is_finite() or not 0 <= self.count <= _MAX_COUNT:
            msg = f"A duration is a number from zero to {_MAX_COUNT}, not {self.count} {self.unit}s."
            raise ValueError(msg)
        if int(self.count.as_tuple().exponent) < -_MAX_DECIMALS:
            msg = f"A duration has at most {_MAX_DECIMALS} decimals."
            raise ValueError(msg)

    def iso(self) -> str:
        """The ISO 8601 form: P28D, P4W, P3M, PT24H; 1.5 years are P18M."""
        if self.unit is TimeUnit.YEAR:
            numerator, denominator = self.count.as_integer_ratio()
            months, rest = divmod(numerator * _MONTHS_A_YEAR, denominator)
            if denominator > 1 and not rest:
                return _ISO_FORMS[TimeUnit.MONTH].format(months)
        return _ISO_FORMS[self.unit].format(_plain(self.count))

    def words(self) -> str:
        """As a person says it: "4 weeks", "1 day", "1.5 years"."""
        return f"{_plain(self.count)} {self.unit}{'' if self.count == 1 else 's'}"

    def steps(self) -> tuple[int, int]:
        """(calendar months, days) to go on the calendar; one of them is zero.

        Raises ValueError where the length is no whole number of days or months ("36 hours", "1.5 months"), because
        every way of rounding it would move somebody across a limit.
        """
        months_each, days_each, hours_each = _STEPS[self.unit]
        # Integers, not Decimal arithmetic: that rounds to 28 digits and could make a remainder vanish.
        numerator, denominator = self.count.as_integer_ratio()
        months, rest = divmod(numerator * months_each, denominator)
        days, rest_of_day = divmod(numerator * (days_each * _HOURS_A_DAY + hours_each), denominator * _HOURS_A_DAY)
        if rest or rest_of_day:
            what = "months" if months_each else "days"
            msg = f"{self.words()} cannot be counted on a calendar: that is no whole number of {what}."
            raise ValueError(msg)
        return months, days


def before(day: date, duration: Duration) -> date:
    """The day that lies `duration` before `day`: the first day of the closed window "within `duration`".

    A day that the earlier month does not have becomes its last. Where the calendar begins (1 January of year 1) it
    ends: no date that can be written lies earlier. Raises ValueError as `Duration.steps` does.
    """
    months, days = duration.steps()
    if months:
        index = day.year * _MONTHS_A_YEAR + day.month - 1 - months
        year, month = divmod(index, _MONTHS_A_YEAR)
        if year < date.min.year:
            return date.min
        return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
    return date.fromordinal(max(1, day.toordinal() - days))


def after(day: date, duration: Duration) -> date:
    """The smallest day D with `before(D, duration) >= day`: from then on `day` lies at least `duration` back.

    31 January and one month give 1 March: on 28 February, one month back is 28 January. Raises ValueError as
    `Duration.steps` does, and where the day would lie past the year 9999.
    """
    months, days = duration.steps()
    try:
        if not months:
            return day + timedelta(days=days)
        year, month = divmod(day.year * _MONTHS_A_YEAR + day.month - 1 + months, _MONTHS_A_YEAR)
        if day.day <= monthrange(year, month + 1)[1]:
            return date(year, month + 1, day.day)
        # The later month is too short, so it is not December, and the next one is in the same year.
        return date(year, month + 2, 1)
    except (OverflowError, ValueError) as error:
        msg = f"{duration.words()} after {day} lies past the end of the calendar."
        raise ValueError(msg) from error


def completed(born: date, on: date, unit: TimeUnit) -> int:
    """How many whole years, months, weeks or days have passed on the day `on`; negative before the birth.

    Somebody born on 29 February completes a year on 1 March where the year has no such day, and likewise for months.
    Raises ValueError for hours: a date has none.
    """
    match unit:
        case TimeUnit.YEAR:
            return on.year - born.year - ((on.month, on.day) < (born.month, born.day))
        case TimeUnit.MONTH:
            months = (on.year - born.year) * _MONTHS_A_YEAR + on.month - born.month
            return months - (on.day < born.day)
        case TimeUnit.WEEK:
            return (on - born).days // _DAYS_A_WEEK
        case TimeUnit.DAY:
            return (on - born).days
        case TimeUnit.HOUR:
            msg = "An age in hours cannot be told from two dates."
            raise ValueError(msg)
        case _:
            assert_never(unit)


@dataclass(frozen=True, slots=True)
class DateSpan:
    """Some moment from `earliest` to `latest`, both days included; None leaves that side open. `text` is as written."""

    earliest: date | None
    latest: date | None
    text: str


# FHIR R4 and R5 "date", "dateTime" and "instant". Seconds are obligatory as soon as there is a time, and 60 is a leap
# second. The offset may be missing (R5's pattern lets it): the calendar date as written does not hang on it.
_FHIR_DATE = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})"
    r"(?:T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))?)?)?)?",
)


def read_date(text: str) -> DateSpan | None:
    """A FHIR date, dateTime or instant as the days it may mean; None where it is none (24:00, month 13, 30 February).

    A full one is the calendar date as written, in its own offset: 2024-05-01T23:30:00-05:00 is 1 May everywhere.
    """
    found = _FHIR_DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day = found.groups()
    try:
        if day is not None:
            exact = date.fromisoformat(text[:_DAY])
            return DateSpan(exact, exact, text)
        if month is not None:
            first = date(int(year), int(month), 1)
            return DateSpan(first, first.replace(day=monthrange(first.year, first.month)[1]), text)
        return DateSpan(date(int(year), 1, 1), date(int(year), 12, 31), text)
    except ValueError:
        return None


def _plain(number: Decimal) -> str:
    """Without exponent and without the zeros that say nothing: 4 for 4.0, 10 for 1E+1."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
