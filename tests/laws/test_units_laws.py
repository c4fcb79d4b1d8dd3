"""What can never happen with units and days, whatever the numbers."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.criteria.time import Duration, TimeUnit, after, before, completed, read_date
from app.knowledge.load_units import load_unit_table
from app.knowledge.ucum import NotComparable, UnitError

TABLE = load_unit_table()

SAME_KIND = (
    ("mg/dL", "g/L", "ug/mL", "ng/dL", "kg/m3", "g%"),
    ("mmol/L", "umol/L", "nmol/mL", "mol/m3"),
    ("10*9/L", "10*3/uL", "/mm3", "{cells}/uL", "10*6/mL"),
    ("U/L", "kU/L", "ukat/L", "nmol/s/L"),
    ("[IU]/mL", "[iU]/L", "m[IU]/dL", "k[IU]/L"),
    ("Cel", "K", "[degF]", "[degRe]", "mK"),
    ("mL/min", "L/h", "mL/s", "L/d"),
    ("mL/min/{1.73_m2}", "L/h/{1.73_m2}", "mL/s/{1.73m2}"),
    ("%", "1", "[ppm]", "L/L", "mg/g"),
    ("a", "mo", "wk", "d", "h", "min", "s", "ms"),
    ("kg", "[lb_av]", "[oz_av]", "g"),
)
SPECIAL = frozenset({"Cel", "[degF]", "[degRe]"})
UNITS = tuple(unit for kind in SAME_KIND for unit in kind)

values = st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=10**6)
pairs = st.sampled_from(SAME_KIND).flatmap(lambda kind: st.tuples(st.sampled_from(kind), st.sampled_from(kind)))
masses = st.fractions(min_value=Fraction(1, 1000), max_value=10**6, max_denominator=10**4)

days = st.dates(min_value=date(1800, 1, 1), max_value=date(2200, 12, 31))
durations = st.one_of(
    st.builds(Duration, st.integers(0, 4000).map(Decimal), st.sampled_from([TimeUnit.DAY])),
    st.builds(Duration, st.integers(0, 500).map(Decimal), st.sampled_from([TimeUnit.WEEK, TimeUnit.MONTH])),
    st.builds(Duration, st.integers(0, 240).map(lambda half: Decimal(half) / 2), st.just(TimeUnit.YEAR)),
    st.builds(Duration, st.integers(0, 100).map(lambda day: Decimal(24 * day)), st.just(TimeUnit.HOUR)),
)
ages = st.sampled_from([TimeUnit.DAY, TimeUnit.WEEK, TimeUnit.MONTH, TimeUnit.YEAR])


@given(values, pairs)
def test_a_conversion_and_back_gives_the_value_exactly(value: Fraction, pair: tuple[str, str]) -> None:
    source, target = pair

    assert TABLE.convert(TABLE.convert(value, source, target), target, source) == value


@given(values, masses, st.integers(1, 4))
def test_the_way_by_molar_mass_and_charge_leads_back(value: Fraction, mass: Fraction, charge: int) -> None:
    moles = TABLE.convert(value, "mg/dL", "umol/L", molar_mass=mass)
    equivalents = TABLE.convert(moles, "umol/L", "meq/L", charge=charge)

    assert TABLE.convert(equivalents, "meq/L", "mg/dL", molar_mass=mass, charge=charge) == value


@given(values, values, pairs)
def test_a_conversion_is_linear_but_for_special_units(a: Fraction, b: Fraction, pair: tuple[str, str]) -> None:
    assume(not SPECIAL & set(pair))

    converted = [TABLE.convert(value, *pair) for value in (a, b, a + 2 * b)]

    assert converted[2] == converted[0] + 2 * converted[1]


@given(values, values, pairs)
def test_a_conversion_keeps_the_order(a: Fraction, b: Fraction, pair: tuple[str, str]) -> None:
    assert (a < b) == (TABLE.convert(a, *pair) < TABLE.convert(b, *pair))


@given(st.sampled_from(UNITS), st.sampled_from(UNITS), st.sampled_from(UNITS))
def test_comparable_units_form_kinds(a: str, b: str, c: str) -> None:
    assert TABLE.comparable(a, a)
    assert TABLE.comparable(a, b) == TABLE.comparable(b, a)
    if TABLE.comparable(a, b) and TABLE.comparable(b, c):
        assert TABLE.comparable(a, c)


@given(st.sampled_from(UNITS), st.sampled_from(UNITS))
def test_a_conversion_exists_exactly_where_the_units_are_comparable(a: str, b: str) -> None:
    if TABLE.comparable(a, b):
        TABLE.convert(Fraction(1), a, b)
    else:
        with pytest.raises(NotComparable):
            TABLE.convert(Fraction(1), a, b)


@given(st.text(alphabet="mgLdulUIikK[]{}()./*^1023%'µ\N{MULTIPLICATION SIGN}⁹ -HPFx", max_size=14))
def test_any_text_is_a_unit_or_a_refusal_and_reading_is_stable(text: str) -> None:
    position = -1
    try:
        code: str | None = TABLE.parse(text).code
    except UnitError as refusal:
        code = None
        position = refusal.position
    assert code == text or (code is None and 0 <= position <= len(text))
    code = TABLE.read(text)
    if code is not None:
        assert TABLE.parse(code).code == code
        assert TABLE.read(code) == code


@given(days, durations)
def test_after_is_the_first_day_on_which_the_window_has_passed(day: date, duration: Duration) -> None:
    over = after(day, duration)

    assert before(over, duration) >= day
    assert over == day or before(over - timedelta(days=1), duration) < day


@given(days, days, durations)
def test_a_later_day_has_no_earlier_window(a: date, b: date, duration: Duration) -> None:
    first, second = sorted((a, b))

    assert before(first, duration) <= before(second, duration)
    assert after(first, duration) <= after(second, duration)
    assert before(first, duration) <= first <= after(first, duration)


@given(days, days, days, ages)
def test_nobody_grows_younger(born: date, a: date, b: date, unit: TimeUnit) -> None:
    first, second = sorted((a, b))

    assert completed(born, first, unit) <= completed(born, second, unit)


@given(days, st.integers(0, 120), ages, st.integers(-3, 3))
def test_an_age_is_completed_when_the_birthday_has_come(born: date, age: int, unit: TimeUnit, shift: int) -> None:
    birthday = after(born, Duration(Decimal(age), unit))
    on = birthday + timedelta(days=shift)

    assert (completed(born, on, unit) >= age) == (on >= birthday)


@given(st.dates())
def test_a_date_that_is_written_out_is_read_back(day: date) -> None:
    for text in (day.isoformat(), f"{day.isoformat()}T23:59:59-11:00"):
        span = read_date(text)
        assert span is not None
        assert (span.earliest, span.latest) == (day, day)


@given(st.text(alphabet="0123456789-T:Z+.", max_size=22))
def test_any_text_is_read_as_a_span_of_days_or_not_at_all(text: str) -> None:
    span = read_date(text)

    if span is not None:
        assert span.earliest is not None
        assert span.latest is not None
        assert span.earliest <= span.latest
