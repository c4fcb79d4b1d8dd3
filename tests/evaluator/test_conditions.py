"""Diagnoses: status, windows, partial dates, absence, exceptions, degrees, tests, other malignancies."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from msgspec import structs

from app.criteria.nodes import (
    CURRENT,
    EVER,
    Bound,
    Except,
    HasCondition,
    Measured,
    Op,
    Quantity,
    State,
    Timing,
    When,
)
from app.evaluator.facts import Activity, Certainty
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis, Role
from tests.evaluator.fakes import coded, condition, judge, number, observation, procedure, settings, span

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
ASTHMA = HasCondition("asthma")
OTHER = HasCondition("malignancy", EVER, other_than=("breast-cancer",))


def within(count: int, unit: str, *, closed: bool = True) -> When:
    return When(Timing.WITHIN, span(count, unit), closed)


@pytest.mark.parametrize(
    ("activity", "current", "ever"),
    [
        (Activity.ACTIVE, T, T),
        (Activity.RESOLVED, F, T),
        (Activity.INACTIVE, F, T),
        (Activity.REMISSION, F, T),
        (Activity.UNKNOWN, U, T),
    ],
)
def test_a_status_says_what_is_current_and_every_status_is_history(
    activity: Activity, current: Truth, ever: Truth
) -> None:
    fact = condition("a", "asthma", activity=activity)

    assert judge(ASTHMA, fact).holds is current
    assert judge(HasCondition("asthma", EVER), fact).holds is ever


def test_a_malignancy_in_remission_is_a_diagnosis_but_not_active_disease() -> None:
    fact = condition("a", "breast-cancer", activity=Activity.REMISSION)

    assert judge(HasCondition("breast-cancer"), fact).holds is T
    assert judge(HasCondition("breast-cancer", degree="active"), fact).holds is F


def test_refuted_is_evidence_against_and_provisional_satisfies_only_suspected() -> None:
    refuted = condition("a", "asthma", certainty=Certainty.REFUTED)
    provisional = condition("a", "asthma", certainty=Certainty.SUSPECTED)
    against = judge(ASTHMA, refuted)

    assert against.holds is F
    assert against.basis is Basis.EVIDENCE
    assert against.evidence[0].role is Role.CONTRADICTS
    assert judge(ASTHMA, provisional).holds is U
    assert judge(ASTHMA, provisional).missing
    assert judge(replace(ASTHMA, suspected=True), provisional).holds is T


def test_absence_is_false_only_where_the_family_is_shown() -> None:
    shown = judge(ASTHMA, condition("b", "stroke"))
    hidden = judge(ASTHMA, closed=frozenset())

    assert (shown.holds, shown.basis) == (F, Basis.ABSENCE)
    assert shown.searched
    assert hidden.holds is U
    assert hidden.missing[0].type == "Condition"


def test_what_may_be_in_two_families_needs_both() -> None:
    node = HasCondition("transplant", EVER)

    assert judge(node, closed=frozenset({"Procedure"})).holds is U
    assert judge(node, closed=frozenset({"Procedure", "Condition"})).holds is F
    assert judge(node, procedure("t", "transplant", "2020-01-01"), closed=frozenset()).holds is T


def test_a_vague_or_unplaced_record_leaves_absence_open_and_is_cited() -> None:
    fact = condition("v", "lung-disease")
    vague = judge(ASTHMA, fact, vague={"Condition/v": ("asthma",)})
    unplaced = judge(ASTHMA, fact, unplaced=frozenset({"Condition/v"}))

    for verdict in (vague, unplaced):
        assert verdict.holds is U
        assert verdict.evidence[0].reference == "Condition/v"
        assert verdict.missing


def test_a_resolved_unplaced_record_cannot_be_the_current_condition() -> None:
    fact = condition("v", "lung-disease", activity=Activity.RESOLVED)

    assert judge(ASTHMA, fact, unplaced=frozenset({"Condition/v"})).holds is F
    assert judge(HasCondition("asthma", EVER), fact, unplaced=frozenset({"Condition/v"})).holds is U


@pytest.mark.parametrize(
    ("onset", "abated", "activity", "holds"),
    [
        ("2025-11-22", "2025-11-23", Activity.RESOLVED, T),
        ("2025-11-01", "2025-11-21", Activity.RESOLVED, F),
        ("2025-11", "2025-11", Activity.RESOLVED, U),
        ("2020", None, Activity.ACTIVE, T),
        ("2020", None, Activity.RESOLVED, U),
        ("2026", None, Activity.RESOLVED, T),
        (None, None, Activity.ACTIVE, U),
        ("2027-01-01", None, Activity.ACTIVE, F),
    ],
)
def test_a_period_overlaps_the_window_or_not_or_straddles_it(
    onset: str | None, abated: str | None, activity: Activity, holds: Truth
) -> None:
    fact = condition("a", "asthma", onset, abated=abated, activity=activity)

    assert judge(HasCondition("asthma", within(12, "month")), fact).holds is holds


def test_an_event_counts_by_its_onset_alone() -> None:
    node = HasCondition("stroke", within(6, "month"))

    assert judge(node, condition("s", "stroke", "2026-05-22")).holds is T
    assert judge(node, condition("s", "stroke", "2026-05-21")).holds is F
    assert judge(node, condition("s", "stroke", None, recorded="2026-05-21")).holds is F
    assert judge(node, condition("s", "stroke", None, recorded="2026-05-22")).holds is U


def test_a_half_open_window_leaves_its_first_day_out() -> None:
    fact = condition("s", "stroke", "2021-11-22", abated="2021-11-22", activity=Activity.RESOLVED)

    assert judge(HasCondition("stroke", within(5, "year")), fact).holds is T
    assert judge(HasCondition("stroke", within(5, "year", closed=False)), fact).holds is F


def test_a_window_says_from_when_it_is_left() -> None:
    fact = condition("s", "stroke", "2026-10-30", abated="2026-10-30", activity=Activity.RESOLVED)
    verdict = judge(HasCondition("stroke", within(4, "week")), fact)

    assert verdict.holds is T
    assert str(verdict.turns_on) == "2026-11-28"


def test_a_coded_severity_decides_severe_and_nothing_there_asks_nobody() -> None:
    severe, mild = coded("24484000"), coded("255604002")
    node = HasCondition("asthma", degree="severe")

    assert judge(node).holds is F
    assert judge(node, condition("a", "asthma", severity=severe)).holds is T
    assert judge(node, condition("a", "asthma", severity=mild)).holds is F
    ask = judge(node, condition("a", "asthma"))
    assert ask.holds is U
    assert ask.questions
    assert not ask.missing


def test_a_test_says_what_the_disease_is_and_a_negative_one_rules_it_out_alone() -> None:
    node = HasCondition("hiv-infection")
    negative = observation("n", "hiv-antibody", "Negative")
    positive = observation("p", "hiv-antibody", "Positive", "2026-11-11")

    assert judge(node, negative, closed=frozenset()).holds is F
    assert judge(node, positive, closed=frozenset()).holds is T
    assert judge(node, negative, positive).holds is T
    assert judge(node, negative, condition("d", "hiv-infection")).holds is T
    assert judge(node, positive, condition("d", "hiv-infection", certainty=Certainty.REFUTED)).holds is U
    assert judge(node, negative, condition("d", "hiv-infection", certainty=Certainty.SUSPECTED)).holds is U


def test_a_cause_is_decided_by_what_is_coded_and_else_by_a_person() -> None:
    node = HasCondition("asthma", due_to="stroke")

    assert judge(node, condition("a", "asthma", due_to=(coded("stroke"),))).holds is T
    assert judge(node, condition("a", "asthma", due_to=(coded("breast-cancer"),))).holds is F
    assert judge(node, condition("a", "asthma")).questions


# --- exceptions on the instance --------------------------------------------------------------------------------------


BASAL = Except("basal-cell-carcinoma", State.CURED)


def test_a_cured_exception_does_not_count_and_another_instance_still_does() -> None:
    node = replace(OTHER, excluding=(BASAL,))
    study = condition("s", "breast-cancer")
    cured = condition("b", "basal-cell-carcinoma", activity=Activity.RESOLVED)

    assert judge(node, study, cured).holds is F
    assert judge(node, study, structs.replace(cured, activity=Activity.ACTIVE)).holds is T
    assert judge(node, study, structs.replace(cured, activity=Activity.REMISSION)).holds is U
    assert judge(node, study, cured, condition("l", "lung-cancer")).holds is T


def test_a_less_specific_record_may_be_the_exception() -> None:
    node = HasCondition("malignancy", EVER, excluding=(Except("basal-cell-carcinoma"),))
    fact = condition("l", "lung-cancer")

    assert judge(node, fact).holds is T
    assert judge(node, fact, vague={"Condition/l": ("basal-cell-carcinoma",)}).holds is U


def test_whether_it_is_stable_a_person_says() -> None:
    node = HasCondition("metastasis", excluding=(Except("metastasis", State.STABLE),))
    verdict = judge(node, condition("m", "liver-metastasis"))

    assert verdict.holds is U
    assert verdict.questions
    assert not verdict.missing


def test_what_must_hold_besides_is_judged_for_the_exception() -> None:
    only = Measured("haemoglobin", (Bound(Op.GE, Quantity(Decimal(100), "g/L")),))
    node = HasCondition("asthma", excluding=(Except("asthma", State.ANY, only),))
    fact = condition("a", "asthma")

    assert judge(node, fact, observation("h", "haemoglobin", number("120", "g/L"))).holds is F
    assert judge(node, fact, observation("h", "haemoglobin", number("90", "g/L"))).holds is T
    assert judge(node, fact).holds is U


# --- other malignancies ----------------------------------------------------------------------------------------------


def test_the_only_primary_is_the_disease_under_study_whatever_it_is() -> None:
    assert judge(OTHER, condition("l", "lung-cancer")).holds is F
    assert judge(OTHER, condition("b", "breast-cancer"), condition("m", "liver-metastasis")).holds is F


def test_every_further_primary_is_another_malignancy() -> None:
    both = (condition("b", "breast-cancer"), condition("l", "lung-cancer"))
    any_tumour = replace(OTHER, other_than=("malignancy",))

    assert judge(OTHER, *both).holds is T
    assert judge(any_tumour, *both).holds is T
    assert judge(OTHER, condition("l", "lung-cancer"), condition("k", "basal-cell-carcinoma")).holds is T


def test_a_repeated_entry_is_one_disease_and_a_general_code_may_be() -> None:
    twice = (condition("b1", "breast-cancer"), condition("b2", "breast-cancer", "2025-02-02"))
    general = (condition("b", "breast-cancer"), condition("g", "malignancy"))

    assert judge(OTHER, *twice).holds is F
    assert judge(OTHER, *general).holds is U


def test_a_second_cancer_of_the_same_kind_after_the_first_was_over_is_left_open() -> None:
    old = condition("b1", "breast-cancer", "2005-01-01", abated="2006-01-01", activity=Activity.RESOLVED)

    assert judge(OTHER, old, condition("b2", "breast-cancer")).holds is U


def test_an_old_other_malignancy_is_outside_its_window() -> None:
    node = replace(OTHER, when=within(5, "year"))
    old = condition("l", "lung-cancer", "2015-01-01", abated="2016-01-01", activity=Activity.RESOLVED)

    assert judge(node, condition("b", "breast-cancer"), old).holds is F
    assert judge(node, condition("b", "breast-cancer"), structs.replace(old, abatement=None)).holds is U


def test_advanced_is_decided_by_a_metastasis_and_else_by_a_person() -> None:
    node = HasCondition("breast-cancer", CURRENT, degree="advanced")
    study = condition("b", "breast-cancer")

    assert judge(node, study, condition("m", "liver-metastasis")).holds is T
    assert judge(node, study).questions


def test_what_defines_it_decides_and_nothing_there_is_false() -> None:
    by = Measured("haemoglobin", (Bound(Op.LT, Quantity(Decimal(100), "g/L")),))
    node = HasCondition("asthma", defined_by=by)

    assert judge(node, observation("h", "haemoglobin", number("90", "g/L"))).holds is T
    assert judge(node).holds is F
    assert judge(node, condition("a", "asthma")).holds is U


def test_a_test_older_than_the_greatest_age_rules_nothing_out() -> None:
    old = observation("n", "hiv-antibody", "Negative", "2026-01-10")
    node = HasCondition("hiv-infection")

    assert judge(node, old, closed=frozenset()).holds is F
    assert judge(node, old, closed=frozenset(), given=settings(max_age=span(30, "day"))).holds is U


def test_a_record_that_is_an_event_counts_by_its_onset_also_under_a_wider_concept() -> None:
    node = HasCondition("vascular-disease", within(12, "month"))

    assert judge(node, condition("s", "stroke", "1978-10-05")).holds is F
    assert judge(node, condition("v", "vascular-disease", "1978-10-05")).holds is T
