"""Treatments: exposure intervals, routes, doses, plans, vaccines and wash-outs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from app.criteria.nodes import (
    CURRENT,
    EVER,
    Dose,
    Elapsed,
    HadTreatment,
    HadVaccine,
    HasCondition,
    Op,
    Quantity,
    Route,
    Timing,
    When,
)
from app.evaluator.facts import Activity, Standing
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis
from app.knowledge.catalogue import Family
from tests.evaluator.fakes import coded, condition, dosing, judge, procedure, rx, span, treatment

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
TWO_WEEKS = When(Timing.WITHIN, span(2, "week"))
CHEMO = HadTreatment("chemotherapy", TWO_WEEKS)


@pytest.mark.parametrize(
    ("start", "end", "ongoing", "holds"),
    [
        ("2026-11-08", "2026-11-08", False, T),
        ("2026-11-07", "2026-11-07", False, F),
        ("2026-01-01", None, True, T),
        (None, None, True, T),
        ("2026-11-08", None, False, T),
        ("2026-11-01", None, False, U),
        (None, None, False, U),
        ("2026-11", "2026-11", False, U),
        ("2026-11-23", None, False, F),
    ],
)
def test_an_exposure_is_the_interval_that_its_record_gives(
    *, start: str | None, end: str | None, ongoing: bool, holds: Truth
) -> None:
    assert judge(CHEMO, treatment("c", "paclitaxel", start, end, ongoing=ongoing)).holds is holds


def test_current_wants_what_goes_on() -> None:
    node = HadTreatment("chemotherapy", CURRENT)

    assert judge(node, treatment("c", "paclitaxel", ongoing=True)).holds is T
    assert judge(node, treatment("c", "paclitaxel", "2026-10-01", "2026-11-21")).holds is F
    assert judge(node, treatment("c", "paclitaxel", "2026-10-01")).holds is U


def test_not_taken_is_evidence_against_and_a_plan_is_no_exposure() -> None:
    against = judge(CHEMO, treatment("c", "paclitaxel", standing=Standing.AGAINST))

    assert (against.holds, against.basis) == (F, Basis.EVIDENCE)
    assert judge(CHEMO, treatment("c", "paclitaxel", standing=Standing.PLANNED)).holds is F


def test_a_plan_is_there_or_a_person_says() -> None:
    node = HadTreatment("surgery", EVER, planned=True)
    plan = procedure("s", "surgery", "2026-12-12", standing=Standing.PLANNED)

    assert judge(node, plan).holds is T
    assert judge(node, closed=frozenset()).questions
    assert judge(node, procedure("s", "surgery", "2025-12-12"), closed=frozenset()).questions


def test_surgery_counts_by_its_day() -> None:
    assert judge(HadTreatment("surgery", TWO_WEEKS), procedure("s", "surgery", "2026-11-08")).holds is T
    assert judge(HadTreatment("surgery", TWO_WEEKS), procedure("s", "surgery", "2026-11-07")).holds is F


@pytest.mark.parametrize(
    ("route", "holds"), [("oral", T), ("intravenous", T), ("inhaled", F), ("topical", F), ("rectal", U), ("", U)]
)
def test_a_systemic_class_counts_by_systemic_routes_only(route: str, holds: Truth) -> None:
    node = HadTreatment("systemic-corticosteroid", TWO_WEEKS)
    fact = treatment("b", "budesonide", ongoing=True, routes=(route,) if route else ())

    assert judge(node, fact).holds is holds


def test_the_route_of_a_product_serves_where_the_record_says_none() -> None:
    node = HadTreatment("systemic-corticosteroid", TWO_WEEKS)

    assert judge(node, treatment("p", "prednisone", ongoing=True, ingredients=rx("pred-5"))).holds is T


def test_routes_that_do_not_count_are_left_out() -> None:
    node = HadTreatment("chemotherapy", TWO_WEEKS, not_routes=(Route.TOPICAL,))

    assert judge(node, treatment("c", "paclitaxel", ongoing=True, routes=("topical",))).holds is F
    assert judge(node, treatment("c", "paclitaxel", ongoing=True, routes=("oral",))).holds is T
    assert judge(node, treatment("c", "paclitaxel", ongoing=True)).missing


# --- doses -----------------------------------------------------------------------------------------------------------


OVER_10 = HadTreatment(
    "systemic-corticosteroid", TWO_WEEKS, dose=Dose(Op.GT, Quantity(Decimal(10), "mg/d"), "prednisone")
)


def steroid(name: str, code: str, rxcui: str, amount: str | None, **more: Any):
    doses = (dosing(amount, per_day=str(more.pop("per_day", "1")), as_needed=bool(more.pop("as_needed", False))),)
    return treatment(name, code, ongoing=True, routes=("oral",), ingredients=rx(rxcui), dosing=doses, **more)


@pytest.mark.parametrize(
    ("code", "rxcui", "amount", "holds"),
    [
        ("prednisone", "8640", "10", F),
        ("prednisone", "8640", "10.5", T),
        ("dexamethasone", "3264", "1.5", F),
        ("dexamethasone", "3264", "2", T),
        ("prednisone", "8640", None, U),
        ("budesonide", "none", "3", U),
    ],
)
def test_doses_are_compared_as_equivalents(code: str, rxcui: str, amount: str | None, holds: Truth) -> None:
    verdict = judge(OVER_10, steroid("s", code, rxcui, amount))

    assert verdict.holds is holds
    assert bool(verdict.missing) == (holds is U)


def test_a_dose_is_the_sum_of_what_runs_at_the_same_time() -> None:
    both = (steroid("1", "prednisone", "8640", "6"), steroid("2", "dexamethasone", "3264", "0.75"))

    assert judge(OVER_10, *both).holds is T
    assert judge(OVER_10, both[0]).holds is F


def test_an_order_and_its_statement_may_be_one_dose() -> None:
    both = (steroid("1", "prednisone", "8640", "8"), steroid("2", "prednisone", "8640", "8", kind="MedicationRequest"))

    assert judge(OVER_10, *both).holds is U
    assert judge(OVER_10, *(structs.replace(each, dosing=(dosing("5"),)) for each in both)).holds is F


def test_as_needed_decides_only_where_every_reading_falls_on_one_side() -> None:
    assert judge(OVER_10, steroid("s", "prednisone", "8640", "20", as_needed=True)).holds is U
    assert judge(OVER_10, steroid("s", "prednisone", "8640", "5", as_needed=True)).holds is F


def test_tablets_count_by_the_strength_of_the_product() -> None:
    three = treatment(
        "p", "prednisone", ongoing=True, routes=("oral",), ingredients=rx("pred-5"), dosing=(dosing("3", "{tbl}"),)
    )
    coded_product = structs.replace(three, code=rx("pred-5")[0])

    assert judge(OVER_10, coded_product).holds is F  # its code places it nowhere in this catalogue
    assert judge(OVER_10, structs.replace(three, dosing=(dosing("3", "{tbl}"),))).holds is U


def test_high_dose_is_the_threshold_of_the_catalogue() -> None:
    node = HadTreatment("systemic-corticosteroid", TWO_WEEKS, degree="high-dose")

    assert judge(node, steroid("s", "prednisone", "8640", "40")).holds is T
    assert judge(node, steroid("s", "prednisone", "8640", "39")).holds is F
    assert judge(node, steroid("s", "prednisone", "8640", None)).missing
    assert judge(node).holds is F


def test_site_and_intent_are_asked_for_where_they_are_not_recorded() -> None:
    node = HadTreatment("radiotherapy", TWO_WEEKS, sites=("lung",), intent="palliative")
    fact = procedure("r", "radiotherapy", "2026-11-10")
    told = structs.replace(fact, sites=(coded("lung"),), intent=(coded("363676003"),))

    assert judge(node, fact).holds is U
    assert len(judge(node, fact).missing) == 2
    assert judge(node, told).holds is T
    assert judge(node, structs.replace(told, intent=(coded("373808002"),))).holds is F
    assert judge(node, structs.replace(told, sites=(coded("asthma"),))).holds is F


def test_a_vaccine_counts_in_its_window() -> None:
    node = HadVaccine("live-vaccine", When(Timing.WITHIN, span(1, "month")))
    shot = treatment("v", "live-vaccine", "2026-10-22", "2026-10-22", family=Family.IMMUNIZATION, kind="Immunization")

    assert judge(node, shot).holds is T
    assert judge(node, closed=frozenset()).holds is U


# --- wash-outs -------------------------------------------------------------------------------------------------------


WASHOUT = Elapsed(HadTreatment("chemotherapy"), span(28, "day"))


@pytest.mark.parametrize(
    ("end", "holds", "turns"),
    [("2026-10-25", F, "2026-11-22"), ("2026-10-26", F, "2026-11-23"), ("2026-10-25", T, None)],
)
def test_a_washout_holds_from_its_last_day_on(end: str, holds: Truth, turns: str | None) -> None:
    verdict = judge(WASHOUT, treatment("c", "paclitaxel", "2026-10-01", end))
    if end == "2026-10-25":
        assert verdict.holds is T
        return
    assert verdict.holds is holds
    assert str(verdict.turns_on) == turns


def test_on_day_28_both_the_window_and_the_washout_hold() -> None:
    fact = treatment("c", "paclitaxel", "2026-10-25", "2026-10-25")

    assert judge(HadTreatment("chemotherapy", When(Timing.WITHIN, span(28, "day"))), fact).holds is T
    assert judge(WASHOUT, fact).holds is T


def test_the_latest_end_decides_and_what_goes_on_has_none() -> None:
    old = treatment("1", "paclitaxel", "2026-01-01", "2026-02-01")
    new = treatment("2", "paclitaxel", "2026-10-01", "2026-11-20")

    assert judge(WASHOUT, old).holds is T
    assert judge(WASHOUT, old, new).holds is F
    assert str(judge(WASHOUT, old, new).turns_on) == "2026-12-18"
    going = judge(WASHOUT, treatment("c", "paclitaxel", ongoing=True))
    assert going.holds is F
    assert going.turns_on is None


def test_a_partial_or_missing_end_leaves_a_washout_open() -> None:
    assert judge(WASHOUT, treatment("c", "lomustine", "2026-10", "2026-10")).holds is U
    assert judge(WASHOUT, treatment("c", "lomustine", "2026-01-01")).holds is U


def test_a_washout_of_nothing_is_true_by_absence_where_its_types_are_shown() -> None:
    assert (judge(WASHOUT).holds, judge(WASHOUT).basis) == (T, Basis.ABSENCE)
    assert judge(WASHOUT, closed=frozenset()).holds is U


@pytest.mark.parametrize(
    ("rxcui", "end", "holds"),
    [
        ("56946", "2026-11-01", T),  # 14 days, and 5 x 20 h are less
        ("56946", "2026-11-09", F),
        ("6466", "2026-11-01", U),  # half-life not known
        ("6466", "2026-11-09", F),  # the fixed part fails already
    ],
)
def test_half_lives_count_where_they_are_longer(rxcui: str, end: str, holds: Truth) -> None:
    node = Elapsed(HadTreatment("chemotherapy"), span(2, "week"), half_lives=5)
    verdict = judge(node, treatment("c", "paclitaxel", "2026-10-01", end, ingredients=rx(rxcui)))

    assert verdict.holds is holds
    assert (holds is U) == any("half-life" in each.text for each in verdict.missing)


def test_time_since_a_condition_is_since_it_was_over() -> None:
    node = Elapsed(HasCondition("asthma"), span(2, "month"))
    over = condition("a", "asthma", "2020-01-01", abated="2026-09-22", activity=Activity.RESOLVED)

    assert judge(node, over).holds is T
    assert judge(node, structs.replace(over, abatement=None, activity=Activity.ACTIVE)).holds is F
    assert judge(node, structs.replace(over, abatement=None)).holds is U


def test_a_washout_of_a_dose_asks_about_a_recent_record_and_not_about_an_old_one() -> None:
    node = Elapsed(HadTreatment("systemic-corticosteroid", degree="high-dose"), span(28, "day"))
    recent = treatment("s", "prednisone", "2026-11-01", "2026-11-10", routes=("oral",))

    assert judge(node, recent).holds is U
    assert judge(node, recent).questions
    assert judge(node, treatment("s", "prednisone", "2026-01-01", "2026-01-10", routes=("oral",))).holds is T


def test_a_dose_with_another_degree_is_put_to_a_person() -> None:
    node = replace(OVER_10, degree="long-term")

    assert judge(node, steroid("s", "prednisone", "8640", "20")).questions
    assert judge(node, steroid("s", "prednisone", "8640", "5")).holds is F
