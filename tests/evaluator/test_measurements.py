"""Measurements: units, comparators, reference ranges, the latest value, formulas, results, scales."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from msgspec import structs

from app.criteria.nodes import (
    Bound,
    Measured,
    NormalEnd,
    NormalLimit,
    Op,
    Outcome,
    Pick,
    Quantity,
    ResultIs,
    ScoreBound,
    Scored,
)
from app.evaluator.settings import SiteRange
from app.evaluator.truth import Truth
from tests.evaluator.fakes import AS_OF, judge, number, observation, ranged, settings, span

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN


def at(op: Op, value: str, unit: str) -> tuple[Bound, ...]:
    return (Bound(op, Quantity(Decimal(value), unit)),)


def uln(op: Op, factor: str = "1", plus: Quantity | None = None) -> tuple[Bound, ...]:
    return (Bound(op, NormalLimit(NormalEnd.UPPER, Decimal(factor), plus)),)


HB = Measured("haemoglobin", at(Op.GE, "90", "g/L"))
CREATININE = Measured("creatinine", at(Op.LE, "1.5", "mg/dL"))


@pytest.mark.parametrize(
    ("value", "unit", "holds"),
    [
        ("8.9", "g/dL", F),
        ("9.0", "g/dL", T),
        ("90", "g/L", T),
        ("89.999999", "g/L", F),
        ("9", "", U),
        ("9", "furlong", U),
    ],
)
def test_values_are_converted_exactly_and_no_unit_is_assumed(value: str, unit: str, holds: Truth) -> None:
    verdict = judge(HB, observation("h", "haemoglobin", number(value, unit)))

    assert verdict.holds is holds
    assert bool(verdict.missing) == (holds is U)


def test_moles_convert_by_the_molar_mass_of_the_analyte() -> None:
    assert judge(CREATININE, observation("c", "creatinine", number("132", "umol/L"))).holds is T
    assert judge(CREATININE, observation("c", "creatinine", number("133", "umol/L"))).holds is F


def test_a_number_without_a_unit_by_nature_needs_none() -> None:
    node = Measured("inr", at(Op.LE, "1.5", "1"))

    assert judge(node, observation("i", "inr", number("1.5"))).holds is T


@pytest.mark.parametrize(
    ("op", "limit", "holds"),
    [(Op.LE, "10", T), (Op.GE, "5", F), (Op.GE, "3", U), (Op.LT, "5", T), (Op.GT, "5", F), (Op.LE, "4", U)],
)
def test_a_comparator_is_an_interval(op: Op, limit: str, holds: Truth) -> None:
    value = number("5", "g/L", "<")

    assert judge(Measured("haemoglobin", at(op, limit, "g/L")), observation("h", "haemoglobin", value)).holds is holds


def test_a_multiple_of_the_range_uses_that_of_the_same_observation_at_the_boundary() -> None:
    node = Measured("alt", uln(Op.GT, "3"))
    exact = observation("a", "alt", number("120", "U/L"), ranges=(ranged("7", "40", "U/L"),))
    verdict = judge(node, exact)

    assert verdict.holds is F
    assert "120 U/L" in verdict.explanation
    assert "3 x ULN" in verdict.explanation
    assert judge(node, structs.replace(exact, value=number("120.0001", "U/L"))).holds is T


def test_without_a_range_it_asks_for_one_unless_the_site_has_it() -> None:
    node = Measured("alt", uln(Op.LE, "3"))
    fact = observation("a", "alt", number("60", "U/L"))
    site = settings(ranges={"alt": SiteRange(None, Quantity(Decimal(40), "U/L"))})
    open_ = judge(node, fact)

    assert open_.holds is U
    assert open_.missing[0].text == "alt with its reference range"
    assert judge(node, fact, given=site).holds is T


def test_a_range_for_the_other_sex_does_not_fit() -> None:
    node = Measured("haemoglobin", (Bound(Op.GE, NormalLimit(NormalEnd.LOWER)),))
    ranges = (ranged("120", "150", "g/L", ("female",)), ranged("130", "170", "g/L", ("male",)))
    fact = observation("h", "haemoglobin", number("125", "g/L"), ranges=ranges)

    assert judge(node, fact, gender="female").holds is T
    assert judge(node, fact, gender="male").holds is F
    assert judge(node, fact, gender="other").holds is U


def test_several_fitting_ranges_that_disagree_leave_it_open() -> None:
    node = Measured("alt", uln(Op.LE))
    fact = observation("a", "alt", number("45", "U/L"), ranges=(ranged(None, "40"), ranged(None, "50")))

    assert judge(node, fact).holds is U


def test_a_range_plus_a_quantity_and_a_range_without_a_unit() -> None:
    node = Measured("pt", uln(Op.GT, plus=Quantity(Decimal(4), "s")))
    fact = observation("p", "pt", number("18", "s"), ranges=(ranged(None, "14"),))

    assert judge(node, fact).holds is F
    assert judge(node, structs.replace(fact, value=number("18.1", "s"))).holds is T


def test_the_latest_value_decides_and_what_is_to_come_does_not() -> None:
    old = observation("1", "haemoglobin", number("80", "g/L"), "2026-10-01")
    new = observation("2", "haemoglobin", number("95", "g/L"), "2026-11-01")
    ahead = observation("3", "haemoglobin", number("50", "g/L"), "2026-11-23")
    verdict = judge(HB, old, new, ahead)

    assert verdict.holds is T
    assert [each.reference for each in verdict.evidence] == ["Observation/2"]


def test_values_of_the_same_day_must_agree_unless_times_order_them() -> None:
    low = observation("1", "haemoglobin", number("80", "g/L"))
    high = observation("2", "haemoglobin", number("95", "g/L"))

    assert judge(HB, low, high).holds is U
    early = structs.replace(low, instant="2026-11-10T08")
    assert judge(HB, early, structs.replace(high, instant="2026-11-10T09")).holds is T
    assert judge(HB, early, high).holds is U


def test_a_partial_date_may_be_the_latest() -> None:
    month = observation("1", "haemoglobin", number("80", "g/L"), "2026-11")
    new = observation("2", "haemoglobin", number("95", "g/L"), "2026-11-10")

    assert judge(HB, month, new).holds is U


def test_an_undated_value_decides_nothing() -> None:
    undated = observation("1", "haemoglobin", number("95", "g/L"), None)
    verdict = judge(HB, undated)

    assert verdict.holds is U
    assert "date" in verdict.missing[0].text
    assert judge(HB, undated, observation("2", "haemoglobin", number("80", "g/L"))).holds is F


def test_a_window_binds_an_old_value_is_stale_and_max_age_makes_it_unknown() -> None:
    fact = observation("1", "haemoglobin", number("95", "g/L"), "2026-08-01")
    verdict = judge(HB, fact)

    assert verdict.holds is T
    assert verdict.evidence[0].stale
    assert judge(replace(HB, within=span(28, "day")), fact).missing[0].window == "P28D"
    assert judge(HB, fact, given=settings(max_age=span(30, "day"))).holds is U


def test_any_value_of_the_window_is_enough() -> None:
    low = observation("1", "haemoglobin", number("80", "g/L"), "2026-11-01")
    high = observation("2", "haemoglobin", number("95", "g/L"), "2026-11-10")
    node = Measured("haemoglobin", at(Op.LT, "90", "g/L"), span(28, "day"), Pick.ANY)

    assert judge(node, low, high).holds is T
    assert judge(node, high).holds is F
    assert judge(node).holds is U


def test_what_is_at_most_so_large_must_be_so_for_every_lesion() -> None:
    node = Measured("tumour-size", at(Op.LE, "6", "cm"))
    small = observation("1", "tumour-size", number("2", "cm"), "2026-11-10", objects=("liver",))
    large = observation("2", "tumour-size", number("61", "mm"), "2026-10-10", objects=("lung",))
    unnamed = observation("3", "tumour-size", number("7", "cm"), "2026-01-10")

    assert judge(node, small).holds is T
    assert judge(node, small, large).holds is F
    assert judge(node, small, unnamed).holds is U


def test_a_saturation_under_oxygen_is_not_on_room_air() -> None:
    node = Measured("spo2", at(Op.LE, "90", "%"), circumstance="room-air")
    fact = observation("s", "spo2", number("88", "%"))
    flow = observation("s", "3151-8", number("2", "L/min"))

    assert judge(node, fact).holds is T
    assert judge(node, structs.replace(fact, companions=(flow,))).holds is U
    off = structs.replace(flow, value=number("0", "L/min"))
    assert judge(node, structs.replace(fact, companions=(off,))).holds is T


# --- formulas --------------------------------------------------------------------------------------------------------


CLEARANCE = Measured("creatinine-clearance", at(Op.GE, "60", "mL/min"))


def test_a_clearance_is_computed_with_every_input_in_the_evidence() -> None:
    creatinine = observation("c", "creatinine", number("1", "mg/dL"), "2026-11-10")
    weight = observation("w", "body-weight", number("72", "kg"), "2026-11-01")
    verdict = judge(CLEARANCE, creatinine, weight, birth="1946-11-22", gender="male")

    assert verdict.holds is T  # (140 - 80) x 72 / 72 = 60 exactly
    assert {each.reference for each in verdict.evidence} == {"Observation/c", "Observation/w", "Patient/p1"}
    assert judge(CLEARANCE, creatinine, weight, birth="1946-11-22", gender="female").holds is F
    assert judge(CLEARANCE, creatinine, weight, birth="1946-11-22", gender="other").holds is U


def test_a_weight_much_older_than_the_creatinine_does_not_serve() -> None:
    creatinine = observation("c", "creatinine", number("1", "mg/dL"), "2026-11-10")
    at_limit = observation("w", "body-weight", number("72", "kg"), "2026-08-12")
    older = observation("w", "body-weight", number("72", "kg"), "2026-08-11")

    assert judge(CLEARANCE, creatinine, at_limit).holds is T
    assert judge(CLEARANCE, creatinine, older).holds is U


def test_the_later_of_a_reported_and_a_computed_clearance_counts() -> None:
    creatinine = observation("c", "creatinine", number("1", "mg/dL"), "2026-11-10")
    weight = observation("w", "body-weight", number("72", "kg"), "2026-11-01")
    reported = observation("r", "creatinine-clearance", number("30", "mL/min"), "2026-11-09")

    assert judge(CLEARANCE, creatinine, weight, reported).holds is T
    assert judge(CLEARANCE, creatinine, weight, structs.replace(reported, when=creatinine.when)).holds is U
    assert judge(CLEARANCE, reported).holds is F


def test_a_corrected_interval_is_exact_where_the_heart_beats_once_a_second() -> None:
    node = Measured("qtcf", at(Op.LE, "450", "ms"))
    qt = observation("q", "qt-interval", number("450", "ms"))

    assert judge(node, qt, observation("r", "heart-rate", number("60", "/min"))).holds is T
    assert judge(node, qt, observation("r", "heart-rate", number("61", "/min"))).holds is F


# --- results and scales ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "interpretation", "holds"),
    [
        ("Positive", "", T),
        ("NEGATIVE", "", F),
        ("equivocal", "", U),
        ("Positive", "NEG", U),
        (None, "POS", T),
    ],
)
def test_a_result_is_what_its_words_or_codes_say(value: str | None, interpretation: str, holds: Truth) -> None:
    fact = observation("h", "hiv-antibody", value, interpretation=interpretation)

    assert judge(ResultIs("hiv-antibody", Outcome.POSITIVE), fact).holds is holds
    opposite = {T: F, F: T, U: U}[holds]
    assert judge(ResultIs("hiv-antibody", Outcome.NEGATIVE), fact).holds is opposite


def test_a_load_above_zero_was_detected_and_below_the_limit_of_detection_says_neither() -> None:
    node = ResultIs("hbv-dna", Outcome.POSITIVE)

    assert judge(node, observation("d", "hbv-dna", number("2400", "[IU]/mL"))).holds is T
    assert judge(node, observation("d", "hbv-dna", number("20", "[IU]/mL", "<"))).holds is U
    assert judge(node, observation("d", "hbv-dna", number("20", "[IU]/mL", "<"), interpretation="NEG")).holds is F


def test_copies_and_international_units_do_not_convert() -> None:
    node = Measured("hbv-dna", at(Op.GT, "1000", "{copies}/mL"))

    assert judge(node, observation("d", "hbv-dna", number("5000", "[IU]/mL"))).holds is U


@pytest.mark.parametrize(("value", "holds"), [("1", T), ("2", F), ("7", U)])
def test_a_score_is_read_as_a_number_a_word_or_a_code(value: str, holds: Truth) -> None:
    node = Scored("ecog", (ScoreBound(Op.GE, "0"), ScoreBound(Op.LE, "1")))

    assert judge(node, observation("e", "ecog", number(value, "{score}"))).holds is holds
    assert judge(node, observation("e", "ecog", value)).holds is holds


def test_the_day_of_these_tests_is_the_day_of_the_settings() -> None:
    assert settings().as_of == AS_OF
