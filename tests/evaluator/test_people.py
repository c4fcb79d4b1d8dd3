"""Age, sex, reproduction, participation, allergies, consent, questions."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.criteria.nodes import (
    CURRENT,
    AgeBound,
    AgeIs,
    GaveConsent,
    HasAllergy,
    InStudy,
    IsAlive,
    Judgement,
    NotUnderstood,
    Op,
    Preference,
    Reproductive,
    ReproductiveIs,
    Sex,
    SexIs,
    Timing,
    When,
)
from app.criteria.time import Duration, TimeUnit
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis
from tests.evaluator.fakes import allergy, condition, judge, observation, participation, procedure, settings, span

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN


def years(op: Op, count: int) -> AgeBound:
    return AgeBound(op, Duration(Decimal(count), TimeUnit.YEAR))


ADULT = AgeIs((years(Op.GE, 18), years(Op.LE, 75)))


@pytest.mark.parametrize(
    ("birth", "holds"),
    [
        ("1950-11-22", F),  # 76 today
        ("1950-11-23", T),  # 75 years and almost 12 months
        ("2008-11-22", T),
        ("2008-11-23", F),
        ("1950-11", U),
        ("1950", U),
        ("1980", T),
        (None, U),
    ],
)
def test_age_is_in_completed_years(birth: str | None, holds: Truth) -> None:
    assert judge(ADULT, birth=birth).holds is holds


def test_growing_older_turns_an_age_over_on_the_birthday() -> None:
    assert str(judge(ADULT, birth="2009-01-05").turns_on) == "2027-01-05"
    assert str(judge(ADULT, birth="2012-02-29").turns_on) == "2030-03-01"
    assert judge(ADULT, birth="1940-01-01").turns_on is None
    assert judge(AgeIs((years(Op.LT, 75),)), birth="1951-11-22").holds is F


def test_the_recorded_sex_decides_unless_it_is_another() -> None:
    assert judge(SexIs(Sex.FEMALE), gender="female").holds is T
    assert judge(SexIs(Sex.FEMALE), gender="male").holds is F
    assert judge(SexIs(Sex.FEMALE), gender="other").holds is U


PREGNANT = ReproductiveIs(Reproductive.PREGNANT)
CHILDBEARING = ReproductiveIs(Reproductive.CHILDBEARING)


def test_pregnancy_is_open_world_and_not_asked_of_men() -> None:
    assert judge(PREGNANT).holds is U
    assert judge(PREGNANT).missing
    male = judge(PREGNANT, gender="male")
    assert (male.holds, male.basis) == (F, Basis.NOT_APPLICABLE)


def test_a_recent_test_or_an_active_diagnosis_says_pregnant_or_not() -> None:
    negative = observation("t", "pregnancy-test", "Negative", "2026-11-18")

    assert judge(PREGNANT, negative).holds is F
    assert judge(PREGNANT, observation("t", "pregnancy-test", "Positive", "2026-11-18")).holds is T
    assert judge(PREGNANT, observation("t", "pregnancy-test", "Negative", "2024-11-18")).holds is U
    assert judge(PREGNANT, condition("p", "pregnancy")).holds is T
    assert judge(PREGNANT, condition("p", "pregnancy"), negative).holds is U
    assert judge(PREGNANT, procedure("h", "hysterectomy", "2015-01-01")).holds is F


def test_childbearing_potential_is_presumed_by_sex_and_age() -> None:
    assert judge(CHILDBEARING, birth="1980-05-05").holds is T
    assert judge(CHILDBEARING, birth="1970-11-22").basis is Basis.NOT_APPLICABLE
    assert judge(CHILDBEARING, birth="1970-11-23").holds is T
    assert judge(CHILDBEARING, gender="male").holds is F
    assert judge(CHILDBEARING, procedure("h", "hysterectomy", "2015-01-01")).holds is F
    assert judge(CHILDBEARING, closed=frozenset()).holds is T


FOUR_WEEKS = When(Timing.WITHIN, span(4, "week"))


@pytest.mark.parametrize(
    ("start", "end", "on", "current", "within"),
    [
        ("2026-01-01", None, True, T, T),
        ("2026-01-01", "2026-10-25", False, F, T),
        ("2026-01-01", "2026-10-24", False, F, F),
        ("2026-01-01", None, False, U, U),
        ("2026-11-01", None, False, U, T),
    ],
)
def test_another_study_counts_from_its_start_to_its_end(
    *, start: str, end: str | None, on: bool, current: Truth, within: Truth
) -> None:
    fact = participation("s", start, end, on=on)

    assert judge(InStudy(CURRENT), fact).holds is current
    assert judge(InStudy(FOUR_WEEKS), fact).holds is within


def test_the_trial_itself_is_no_other_study_and_none_needs_the_type_shown() -> None:
    own = settings(trial_ids=frozenset({"NCT1"}))

    assert judge(InStudy(CURRENT), participation("s", "2026-01-01", on=True), given=own).holds is F
    assert judge(InStudy(CURRENT), participation("s", "2026-01-01", on=True, ids=()), given=own).holds is U
    assert judge(InStudy(CURRENT), closed=frozenset()).holds is U


def test_an_allergy_is_severe_by_criticality_or_reaction_and_else_a_person_says() -> None:
    node = HasAllergy("penicillin", "severe")

    assert judge(node, allergy("p", "penicillin", criticality="high")).holds is T
    assert judge(node, allergy("p", "penicillin", criticality="low")).holds is F
    assert judge(node, allergy("p", "penicillin", criticality="low", severities=("severe",))).holds is T
    assert judge(node, allergy("p", "penicillin", severities=("mild",))).holds is F
    assert judge(node, allergy("p", "penicillin")).questions
    assert judge(HasAllergy("penicillin"), allergy("p", "penicillin")).holds is T
    assert judge(node).holds is F


def test_people_are_asked_and_a_preference_asks_nobody() -> None:
    assert judge(Judgement("Is the patient willing?")).questions[0].text == "Is the patient willing?"
    assert "strange words" in judge(NotUnderstood("strange words")).questions[0].text
    assert judge(GaveConsent("Has the patient signed?")).questions
    wish = judge(Preference("young patients first"))
    assert wish.holds is U
    assert not wish.questions


def test_nobody_is_dead_without_a_record_of_it() -> None:
    assert judge(IsAlive()).holds is T
    assert judge(IsAlive(), deceased=True).holds is F
