"""Calendar time: windows, wash-outs, ages and dates that are known in part."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from app.criteria.time import DateSpan, Duration, TimeUnit, after, before, completed, read_date


def of(count: str, unit: str) -> Duration:
    return Duration(Decimal(count), TimeUnit(unit))


@pytest.mark.parametrize(
    ("duration", "iso", "words"),
    [
        (of("28", "day"), "P28D", "28 days"),
        (of("1", "day"), "P1D", "1 day"),
        (of("4", "week"), "P4W", "4 weeks"),
        (of("3", "month"), "P3M", "3 months"),
        (of("2", "year"), "P2Y", "2 years"),
        (of("2.0", "year"), "P2Y", "2 years"),
        (of("1.5", "year"), "P18M", "1.5 years"),
        (of("24", "hour"), "PT24H", "24 hours"),
        (of("1E+1", "day"), "P10D", "10 days"),
        (of("1.50", "week"), "P1.5W", "1.5 weeks"),
        (of("0.3", "year"), "P0.3Y", "0.3 years"),
        (of("0", "day"), "P0D", "0 days"),
        (of("1.0", "month"), "P1M", "1 month"),
    ],
)
def test_a_duration_has_an_iso_form_and_words(duration: Duration, iso: str, words: str) -> None:
    assert (duration.iso(), duration.words()) == (iso, words)


def test_durations_of_different_units_stay_different() -> None:
    assert of("4", "week") != of("28", "day")
    assert of("4", "week") == of("4.0", "week")


@pytest.mark.parametrize("count", ["-1", "NaN", "Infinity", "1E+999999", "1E-40", "100000001"])
def test_a_count_that_is_no_length_of_time_is_refused(count: str) -> None:
    with pytest.raises(ValueError, match="A duration"):
        of(count, "day")


@pytest.mark.parametrize(
    ("day", "duration", "first"),
    [
        ("2026-11-22", of("28", "day"), "2026-10-25"),
        ("2026-11-22", of("4", "week"), "2026-10-25"),
        ("2026-11-22", of("0", "day"), "2026-11-22"),
        ("2026-11-22", of("48", "hour"), "2026-11-20"),
        ("2026-11-22", of("0.5", "week"), None),
        ("2026-11-22", of("36", "hour"), None),
        ("2026-11-22", of("0.5", "day"), None),
        ("2026-11-22", of("1.5", "month"), None),
        ("2026-11-22", of("0.3", "year"), None),
        ("2023-03-31", of("1", "month"), "2023-02-28"),
        ("2024-03-31", of("1", "month"), "2024-02-29"),
        ("2024-03-29", of("1", "month"), "2024-02-29"),
        ("2024-02-29", of("1", "year"), "2023-02-28"),
        ("2024-01-15", of("1", "month"), "2023-12-15"),
        ("2024-07-31", of("1.5", "year"), "2023-01-31"),
        ("2024-08-31", of("6", "month"), "2024-02-29"),
        ("2024-12-31", of("12", "month"), "2023-12-31"),
        ("0001-03-01", of("4", "month"), "0001-01-01"),
        ("0001-03-01", of("9000", "year"), "0001-01-01"),
        ("0001-03-01", of("100", "day"), "0001-01-01"),
    ],
)
def test_a_window_opens_on_this_day(day: str, duration: Duration, first: str | None) -> None:
    if first is None:
        with pytest.raises(ValueError, match=f"{duration.words()} cannot be counted on a calendar"):
            before(date.fromisoformat(day), duration)
    else:
        assert before(date.fromisoformat(day), duration) == date.fromisoformat(first)


def test_twenty_eight_digits_do_not_round_a_fraction_away() -> None:
    almost_a_month = Duration(Decimal("0.083333333333333333333333333333"), TimeUnit.YEAR)

    with pytest.raises(ValueError, match="no whole number of months"):
        before(date(2024, 1, 1), almost_a_month)


@pytest.mark.parametrize(
    ("day", "duration", "passes"),
    [
        ("2026-10-25", of("28", "day"), "2026-11-22"),
        ("2023-01-31", of("1", "month"), "2023-03-01"),
        ("2024-01-30", of("1", "month"), "2024-03-01"),
        ("2024-01-29", of("1", "month"), "2024-02-29"),
        ("2023-12-31", of("2", "month"), "2024-03-01"),
        ("2024-02-29", of("1", "year"), "2025-03-01"),
        ("2024-11-30", of("1", "month"), "2024-12-30"),
        ("2026-11-22", of("72", "hour"), "2026-11-25"),
    ],
)
def test_a_wash_out_is_over_from_this_day(day: str, duration: Duration, passes: str) -> None:
    assert after(date.fromisoformat(day), duration) == date.fromisoformat(passes)


@pytest.mark.parametrize("duration", [of("1", "day"), of("1", "month"), of("8000", "year"), of("99999999", "week")])
def test_a_wash_out_past_the_calendar_is_refused(duration: Duration) -> None:
    with pytest.raises(ValueError, match="past the end of the calendar"):
        after(date.max, duration)


@pytest.mark.parametrize(
    ("born", "on", "unit", "count"),
    [
        ("1951-12-23", "2026-11-22", "year", 74),
        ("1951-11-22", "2026-11-22", "year", 75),
        ("1951-11-23", "2026-11-22", "year", 74),
        ("2000-02-29", "2023-02-28", "year", 22),
        ("2000-02-29", "2023-03-01", "year", 23),
        ("2000-02-29", "2024-02-29", "year", 24),
        ("2024-01-31", "2024-02-29", "month", 0),
        ("2024-01-31", "2024-03-01", "month", 1),
        ("2025-11-22", "2026-11-22", "month", 12),
        ("2026-11-01", "2026-11-14", "week", 1),
        ("2026-11-01", "2026-11-15", "week", 2),
        ("2026-11-01", "2026-11-15", "day", 14),
        ("2026-11-22", "2026-11-22", "year", 0),
        ("2026-11-22", "2026-11-21", "year", -1),
        ("2026-11-22", "2026-11-21", "day", -1),
    ],
)
def test_an_age_is_counted_in_completed_units(born: str, on: str, unit: str, count: int) -> None:
    assert completed(date.fromisoformat(born), date.fromisoformat(on), TimeUnit(unit)) == count


def test_an_age_in_hours_is_refused() -> None:
    with pytest.raises(ValueError, match="hours"):
        completed(date(2024, 1, 1), date(2024, 1, 2), TimeUnit.HOUR)


@pytest.mark.parametrize(
    ("text", "earliest", "latest"),
    [
        ("2024", "2024-01-01", "2024-12-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2023-02", "2023-02-01", "2023-02-28"),
        ("9999-12", "9999-12-01", "9999-12-31"),
        ("2024-02-29", "2024-02-29", "2024-02-29"),
        ("2024-05-01T23:30:00-05:00", "2024-05-01", "2024-05-01"),
        ("2024-05-01T00:10:00+14:00", "2024-05-01", "2024-05-01"),
        ("2024-05-01T23:59:60Z", "2024-05-01", "2024-05-01"),
        ("2024-05-01T10:00:00.123456789Z", "2024-05-01", "2024-05-01"),
        ("2024-05-01T10:00:00", "2024-05-01", "2024-05-01"),
    ],
)
def test_a_date_is_the_days_it_may_mean_as_written(text: str, earliest: str, latest: str) -> None:
    assert read_date(text) == DateSpan(date.fromisoformat(earliest), date.fromisoformat(latest), text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0000",
        "24",
        "20240501",
        "2024-13",
        "2024-00",
        "2024-5",
        "2023-02-29",
        "2024-04-31",
        "2024-01-00",
        "2024-W01-1",
        "2024-05-01 ",
        " 2024-05-01",
        "2024-05-01\n",
        "2024-05-01T",
        "2024-05-01T10",
        "2024-05-01T10:00Z",
        "2024-05-01T24:00:00Z",
        "2024-05-01T10:60:00Z",
        "2024-05-01T10:00:61Z",
        "2024-05-01T10:00:00+15:00",
        "2024-05-01T10:00:00.Z",
        "2024-05-01T10:00:00ZZ",
        "2024-05-01 10:00:00",
        "2024-05T10:00:00Z",
        "\N{FULLWIDTH DIGIT TWO}024",
        "05/01/2024",
        "yesterday",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert read_date(text) is None
