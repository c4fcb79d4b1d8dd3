"""Laws of judging: what more facts may change, what a verdict rests on, and that nothing remembered changes it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from unittest.mock import patch

from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st
from msgspec import structs

import app.evaluator.others
from app.criteria.nodes import (
    CURRENT,
    EVER,
    AllOf,
    AnyOf,
    AtLeast,
    Bound,
    Criterion,
    Elapsed,
    Except,
    HadTreatment,
    HasCondition,
    If,
    Judgement,
    Measured,
    Not,
    Op,
    Quantity,
    State,
    Timing,
    When,
)
from app.evaluator.case import Memory
from app.evaluator.evaluate import Judge
from app.evaluator.facts import Activity, Certainty, Coded, ConditionFact
from app.evaluator.quantities import exact
from app.evaluator.truth import Truth, all_of, any_of, at_least
from app.evaluator.verdict import Evidence, Role, Verdict, distinct
from tests.evaluator.fakes import (
    CATALOGUE,
    Any_,
    FakeChart,
    condition,
    judge,
    number,
    observation,
    procedure,
    settings,
    span,
    treatment,
)

dates = st.sampled_from([None, "2019", "2025-11", "2025-11-22", "2026-05-22", "2026-11", "2026-11-10", "2026-12-01"])
concepts = st.sampled_from(["asthma", "stroke", "breast-cancer", "lung-cancer", "basal-cell-carcinoma", "malignancy"])
whens = st.sampled_from([CURRENT, EVER, When(Timing.WITHIN, span(12, "month")), When(Timing.WITHIN, span(4, "week"))])
names = st.integers(1, 10**6).map(str)

conditions = st.builds(
    condition,
    names,
    concepts,
    dates,
    abated=dates,
    recorded=dates,
    activity=st.sampled_from(list(Activity)),
    certainty=st.sampled_from([Certainty.CONFIRMED, Certainty.SUSPECTED]),
)
drugs = st.builds(treatment, names, st.sampled_from(["paclitaxel", "lomustine"]), dates, dates, ongoing=st.booleans())
done = st.builds(procedure, names, st.sampled_from(["surgery", "radiotherapy"]), dates)
values = st.builds(
    observation,
    names,
    st.just("haemoglobin"),
    st.sampled_from(["80", "95"]).map(lambda each: number(each, "g/L")),
    dates,
)
records: st.SearchStrategy[Any_] = st.one_of(conditions, drugs, done, values)
charts = st.lists(records, max_size=5, unique_by=lambda each: each.source.reference).map(tuple)

excepts = st.builds(Except, concepts, st.sampled_from(list(State))).map(lambda each: (each,))
by_record = st.one_of(
    st.builds(HasCondition, concepts, whens, excluding=st.one_of(st.just(()), excepts)),
    st.builds(HadTreatment, st.sampled_from(["chemotherapy", "surgery", "radiotherapy"]), whens),
)
others = st.one_of(
    st.builds(HasCondition, st.just("malignancy"), whens, other_than=st.just(("breast-cancer",))),
    st.builds(Elapsed, st.builds(HadTreatment, st.just("chemotherapy")), st.just(span(4, "week"))),
    st.just(Measured("haemoglobin", (Bound(Op.GE, Quantity(Decimal(90), "g/L")),))),
    st.just(Judgement("Is the patient willing?")),
)
criteria: st.SearchStrategy[Criterion] = st.recursive(
    st.one_of(by_record, others),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: AtLeast(2, tuple(parts))),
        st.builds(Not, inner),
        st.builds(If, inner, inner, st.one_of(st.none(), inner)),
    ),
    max_leaves=5,
)


@run(max_examples=150, deadline=None)
@given(by_record, charts, charts)
def test_a_record_found_is_not_undone_by_more_records(
    node: Criterion, known: tuple[Any_, ...], more: tuple[Any_, ...]
) -> None:
    """True stays true: no record takes another away, save a refutation (not among these) and the latest value."""
    before = judge(node, *known).holds
    after = judge(node, *known, *_new(known, more)).holds

    if before is Truth.TRUE:
        assert after is Truth.TRUE


@run(max_examples=150, deadline=None)
@given(by_record, charts, charts)
def test_what_is_false_while_nothing_is_closed_stays_so_or_opens_only_by_a_record_of_it(
    node: Criterion, known: tuple[Any_, ...], more: tuple[Any_, ...]
) -> None:
    """False by records changes only where one of the new records bears on the concept: it is cited then."""
    before = judge(node, *known)
    new = _new(known, more)
    after = judge(node, *known, *new)

    if before.holds is Truth.FALSE and after.holds is not Truth.FALSE:
        cited = {each.reference for each in after.evidence}
        assert cited & {each.source.reference for each in new}


@run(max_examples=150, deadline=None)
@given(criteria, charts)
def test_showing_more_types_never_overturns_a_definite_verdict(node: Criterion, known: tuple[Any_, ...]) -> None:
    before = judge(node, *known, closed=frozenset()).holds
    after = judge(node, *known).holds

    assert before in {Truth.UNKNOWN, after}


@run(max_examples=150, deadline=None)
@given(criteria, charts)
def test_the_deciding_parts_alone_give_the_same_verdict(node: Criterion, known: tuple[Any_, ...]) -> None:
    _check_deciding(judge(node, *known))


def _check_deciding(verdict: Verdict) -> None:
    for each in verdict.because:
        _check_deciding(each)
    deciding = [each.holds for each in verdict.deciding()]
    match verdict.node:
        case AllOf():
            assert all_of(deciding) is verdict.holds
        case AnyOf():
            assert any_of(deciding) is verdict.holds
        case AtLeast(count=count):
            assert at_least(count, deciding) is verdict.holds
        case _:
            pass


@run(max_examples=150, deadline=None)
@given(criteria, charts)
def test_a_definite_verdict_lists_nothing_missing_and_an_open_one_says_what_would_settle_it(
    node: Criterion, known: tuple[Any_, ...]
) -> None:
    verdict = judge(node, *known)

    if verdict.holds is Truth.UNKNOWN:
        assert verdict.missing or verdict.questions
    else:
        assert not verdict.missing
        assert not verdict.questions


@run(max_examples=100, deadline=None)
@given(criteria, charts, charts, st.randoms(use_true_random=False))
def test_neither_the_order_of_records_nor_what_was_judged_before_matters(
    node: Criterion, known: tuple[Any_, ...], before: tuple[Any_, ...], random: object
) -> None:
    memory = Memory(CATALOGUE)
    Judge(FakeChart(before), CATALOGUE, settings(), memory).judge(node)
    Judge(FakeChart((), closed=frozenset()), CATALOGUE, settings(), memory).judge(node)
    shuffled = list(known)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    remembered = Judge(FakeChart(tuple(shuffled)), CATALOGUE, settings(), memory).judge(node)
    assert remembered == judge(node, *known)


@run(max_examples=150, deadline=None)
@given(by_record, charts)
def test_a_true_verdict_rests_on_a_record_that_supports_it(node: Criterion, known: tuple[Any_, ...]) -> None:
    verdict = judge(node, *known)

    if verdict.holds is Truth.TRUE:
        assert any(each.role is Role.SUPPORTS for each in verdict.evidence)


@run(max_examples=100, deadline=None)
@given(charts, st.sampled_from(["chemotherapy"]), st.integers(0, 60))
def test_a_washout_turns_over_on_the_day_it_says(known: tuple[Any_, ...], concept: str, days: int) -> None:
    node = Elapsed(HadTreatment(concept), span(days, "day"))
    verdict = judge(node, *known)

    if verdict.turns_on is not None:
        then = replace(settings(), as_of=verdict.turns_on)
        eve = replace(settings(), as_of=verdict.turns_on.fromordinal(verdict.turns_on.toordinal() - 1))
        past = tuple(each for each in known if not _begins_later(each))
        assert Judge(FakeChart(past), CATALOGUE, then).judge(node).holds is Truth.TRUE
        assert Judge(FakeChart(past), CATALOGUE, eve).judge(node).holds is not Truth.TRUE


def _new(known: tuple[Any_, ...], more: tuple[Any_, ...]) -> tuple[Any_, ...]:
    there = {each.source.reference for each in known}
    return tuple(each for each in more if each.source.reference not in there)


def _begins_later(each: Any_) -> bool:
    """A record of the days to come: time alone would make it count."""
    start = getattr(each, "start", None)
    return start is not None and start.earliest is not None and start.earliest > settings().as_of


# --- what is worked out once instead of many times -------------------------------------------------------------------

entries = st.lists(conditions, max_size=6, unique_by=lambda each: each.source.reference).map(tuple)
elements = st.tuples(
    st.sampled_from(["Condition/1", "Condition/2"]),
    st.sampled_from(list(Role)),
    st.just("Condition.code"),
    st.sampled_from(["asthma", "stroke"]),
    st.sampled_from(["", "2026"]),
).map(lambda each: Evidence(*each))


@run(max_examples=300, deadline=None)
@given(st.builds(HasCondition, st.just("malignancy"), whens, other_than=st.just(("breast-cancer",))), entries)
def test_one_of_the_entries_that_answer_alike_stands_for_all_of_them(
    node: HasCondition, found: tuple[ConditionFact, ...]
) -> None:
    """A chart has one `Coded` for one code, as these are given."""
    codes: dict[str, Coded] = {}
    facts = [structs.replace(each, code=codes.setdefault(each.code.codings[0].code, each.code)) for each in found]

    with patch.object(app.evaluator.others, "_each_kind", lambda studied, _: list(studied)):
        each_tried = judge(node, *facts)

    assert judge(node, *facts) == each_tried


@given(st.lists(elements, max_size=6))
def test_distinct_elements_are_those_that_differ_in_anything(found: list[Evidence]) -> None:
    assert distinct(found) == tuple(dict.fromkeys(found))


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_is_exact_as_a_fraction(number: Decimal) -> None:
    assert exact(number) == Fraction(number)
