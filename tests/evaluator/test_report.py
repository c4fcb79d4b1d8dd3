"""The report: statuses, parts, evidence, what is missing, whom to ask, from when; the same bytes every time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

import pytest

from app.criteria.nodes import (
    AgeBound,
    AgeIs,
    AllOf,
    AnyOf,
    AtLeast,
    Bound,
    Criterion,
    Elapsed,
    HadTreatment,
    HasCondition,
    If,
    Judgement,
    Measured,
    Not,
    NotUnderstood,
    Op,
    Preference,
    Quantity,
    Quote,
    Reproductive,
    ReproductiveIs,
    Timing,
    When,
)
from app.criteria.time import Duration, TimeUnit
from app.emitters.prose import says
from app.evaluator.case import Memory
from app.evaluator.evaluate import Judge
from app.evaluator.report import Engine, Status, compile_trial, evaluate_trial, to_json
from tests.evaluator.fakes import CATALOGUE, FakeChart, condition, number, observation, settings, span, treatment


class Kind(StrEnum):
    INCLUSION = "inclusion"
    EXCLUSION = "exclusion"


@dataclass(frozen=True)
class Read:
    id: str
    kind: Kind
    text: str
    expression: Criterion


ASTHMA = HasCondition("asthma", quote=Quote("asthma", 3, 9))
STROKE = HasCondition("stroke")
WILLING = Judgement("Is the patient willing?")
HB = Measured("haemoglobin", (Bound(Op.GE, Quantity(Decimal(90), "g/L")),))
MEMORY = Memory(CATALOGUE)


def report(*criteria: Criterion, kind: Kind = Kind.INCLUSION, memory: Memory | None = None, **chart: object) -> dict:
    memory = memory or Memory(CATALOGUE)
    letter = "I" if kind is Kind.INCLUSION else "E"
    read = [Read(f"{letter}{n}", kind, f"text {n}", each) for n, each in enumerate(criteria, 1)]
    trial = compile_trial("NCT0", 1, "A trial", read, lambda node: says(node, CATALOGUE), memory)
    judge = Judge(FakeChart(**chart), CATALOGUE, settings(), memory)  # type: ignore[arg-type]
    return to_json(evaluate_trial(trial, judge, Engine("0.1.0", "sha256:test")))


@pytest.mark.parametrize(
    ("node", "inclusion", "exclusion"),
    [
        (ASTHMA, "pass", "fail"),
        (STROKE, "fail", "pass"),
        (HB, "unknown", "unknown"),
        (WILLING, "review", "review"),
        (NotUnderstood("strange words"), "review", "review"),
        (Preference("young first"), "note", "note"),
        (AllOf((HB, WILLING)), "unknown", "unknown"),
        (AllOf((STROKE, WILLING)), "fail", "pass"),
        (AnyOf((ASTHMA, HB)), "pass", "fail"),
    ],
)
def test_the_table_of_statuses(node: Criterion, inclusion: str, exclusion: str) -> None:
    facts = (condition("a", "asthma"),)

    assert report(node, facts=facts)["criteria"][0]["status"] == inclusion
    assert report(node, kind=Kind.EXCLUSION, facts=facts)["criteria"][0]["status"] == exclusion


def test_overall_is_ineligible_by_one_failure_and_notes_do_not_count() -> None:
    facts = (condition("a", "asthma"),)

    assert report(ASTHMA, Preference("x"), facts=facts)["overall"] == "eligible"
    assert report(ASTHMA, HB, facts=facts)["overall"] == "undetermined"
    whole = report(ASTHMA, HB, STROKE, facts=facts)
    assert whole["overall"] == "ineligible"
    assert whole["counts"] == {"pass": 1, "fail": 1, "unknown": 1, "review": 0, "note": 0}


def test_a_definite_verdict_cites_its_deciding_parts_and_lists_nothing_missing() -> None:
    criterion = report(AnyOf((ASTHMA, HB, WILLING)), facts=(condition("a", "asthma"),))["criteria"][0]

    assert [each["reference"] for each in criterion["evidence"]] == ["Condition/a"]
    assert criterion["missing"] == []
    assert criterion["questions"] == []
    assert [each["id"] for each in criterion["parts"]] == ["I1.1", "I1.2", "I1.3"]
    assert criterion["parts"][1]["missing"]
    assert criterion["parts"][0]["span"] == [3, 9]
    assert criterion["parts"][0]["text"] == "asthma"


def test_an_open_verdict_lists_what_leaves_it_open_under_the_ids_of_the_parts() -> None:
    node = AllOf((ASTHMA, AllOf((HB, WILLING))))
    criterion = report(node, facts=(condition("a", "asthma"),))["criteria"][0]

    assert criterion["status"] == "unknown"
    assert [each["text"] for each in criterion["missing"]] == ["haemoglobin"]
    assert criterion["questions"] == [{"linkId": "I1.2.2", "text": "Is the patient willing?"}]
    assert {each["reference"] for each in criterion["evidence"]} == {"Condition/a"}


def test_an_explanation_of_absence_says_what_was_looked_through() -> None:
    criterion = report(STROKE, kind=Kind.EXCLUSION, facts=(condition("a", "asthma"),))["criteria"][0]

    assert criterion["basis"] == "absence"
    assert criterion["explanation"] == "No record of stroke was found. Looked through: 1 Condition."


def test_a_failure_that_waiting_mends_says_from_when() -> None:
    washout = Elapsed(HadTreatment("chemotherapy"), span(28, "day"))
    adult = AgeIs((AgeBound(Op.GE, Duration(Decimal(18), TimeUnit.YEAR)),))
    facts = (treatment("c", "paclitaxel", "2026-10-01", "2026-11-20"),)

    assert report(washout, facts=facts)["criteria"][0]["passesFrom"] == "2026-12-18"
    both = report(AllOf((washout, adult)), facts=facts, birth="2008-12-31")["criteria"][0]
    assert both["passesFrom"] == "2026-12-31"
    within = HadTreatment("chemotherapy", When(Timing.WITHIN, span(28, "day")))
    assert report(within, kind=Kind.EXCLUSION, facts=facts)["criteria"][0]["passesFrom"] == "2026-12-19"
    assert report(STROKE)["criteria"][0]["passesFrom"] is None


def test_a_branch_that_speaks_of_others_is_not_applicable() -> None:
    node = If(ReproductiveIs(Reproductive.CHILDBEARING), WILLING)
    male = report(node, gender="male")["criteria"][0]

    assert (male["status"], male["basis"]) == ("pass", "not-applicable")
    assert report(node)["criteria"][0]["status"] == "review"


def test_an_open_condition_leaves_no_doubt_where_both_branches_agree() -> None:
    low = Measured("haemoglobin", (Bound(Op.GE, Quantity(Decimal(80), "g/L")),))
    node = If(STROKE, low, HB)
    fact = observation("h", "haemoglobin", number("95", "g/L"))
    between = observation("h", "haemoglobin", number("85", "g/L"))
    nothing = frozenset[str]()

    assert report(node, facts=(fact,), closed=nothing)["criteria"][0]["status"] == "pass"
    open_ = report(node, facts=(between,), closed=nothing)["criteria"][0]
    assert open_["status"] == "unknown"
    assert {each["type"] for each in open_["missing"]} == {"Condition"}


def test_the_branch_that_does_not_apply_asks_for_nothing() -> None:
    adult = AgeIs((AgeBound(Op.GE, span(18, "year")),))
    grown, child = (report(If(adult, HB, WILLING), birth=birth)["criteria"][0] for birth in ("1980", "2020"))

    assert (grown["status"], bool(grown["missing"]), grown["questions"]) == ("unknown", True, [])
    assert (child["status"], child["missing"], bool(child["questions"])) == ("review", [], True)


def test_a_wish_inside_a_criterion_binds_nobody() -> None:
    facts = (condition("a", "asthma"),)

    assert report(AllOf((ASTHMA, Preference("x"))), facts=facts)["criteria"][0]["status"] == "pass"
    assert report(AnyOf((STROKE, Preference("x"))), facts=facts)["criteria"][0]["status"] == "fail"


def test_at_least_two_of_three() -> None:
    node = AtLeast(2, (ASTHMA, STROKE, HB))
    one = (condition("a", "asthma"),)

    assert report(node, facts=one)["criteria"][0]["status"] == "unknown"
    assert report(node, facts=(*one, condition("s", "stroke")))["criteria"][0]["status"] == "pass"
    assert report(node)["criteria"][0]["status"] == "fail"


def test_a_question_under_a_negation_is_asked_of_the_part() -> None:
    criterion = report(Not(WILLING))["criteria"][0]

    assert criterion["questions"] == [{"linkId": "I1.1", "text": "Is the patient willing?"}]
    assert criterion["parts"][0]["id"] == "I1.1"


def test_the_same_question_gives_the_same_bytes_whatever_was_remembered() -> None:
    criteria = (AllOf((ASTHMA, HB, AnyOf((STROKE, WILLING)))), STROKE, HB)
    facts = (condition("a", "asthma"), observation("h", "haemoglobin", number("95", "g/L")))
    fresh = json.dumps(report(*criteria, facts=facts))

    report(*criteria, memory=MEMORY, closed=frozenset())
    report(*criteria, memory=MEMORY)
    assert json.dumps(report(*criteria, facts=facts, memory=MEMORY)) == fresh
    assert json.dumps(report(*criteria, facts=facts[::-1], memory=MEMORY)) == fresh


def test_a_report_has_the_shape_of_the_contract() -> None:
    whole = report(ASTHMA, facts=(condition("a", "asthma"),))

    assert list(whole) == [
        "trial", "patient", "asOf", "overall", "counts", "criteria", "warnings", "engine",
    ]  # fmt: skip
    assert set(whole["criteria"][0]) >= {
        "id", "kind", "text", "status", "holds", "basis", "explanation", "evidence", "missing", "questions",
        "passesFrom", "parts",
    }  # fmt: skip
    assert list(whole["criteria"][0]["evidence"][0]) == [
        "reference", "role", "path", "value", "effective", "code", "stale",
    ]  # fmt: skip
    assert whole["asOf"] == date(2026, 11, 22).isoformat()
    assert [each.value for each in Status] == ["pass", "fail", "unknown", "review", "note"]
