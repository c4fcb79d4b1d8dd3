"""Laws of calendar time: what is counted forward agrees with what is counted back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from app.criteria.time import Duration, TimeUnit, after, completed

days = st.dates(date(1900, 1, 1), date(2100, 12, 31))
units = st.sampled_from([TimeUnit.YEAR, TimeUnit.MONTH, TimeUnit.WEEK, TimeUnit.DAY])


@given(days, days, st.integers(0, 150), units)
@example(date(2004, 2, 29), date(2022, 2, 28), 18, TimeUnit.YEAR)
@example(date(2024, 1, 31), date(2024, 2, 29), 1, TimeUnit.MONTH)
def test_an_age_lies_ahead_until_the_day_on_which_it_is_completed(
    born: date, on: date, count: int, unit: TimeUnit
) -> None:
    reached = after(born, Duration(Decimal(count), unit))

    assert (completed(born, on, unit) < count) is (reached > on)
