"""Kleene's tables, drawn, and the laws that hold for any number of parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evaluator.truth import Truth, all_of, any_of, at_least, negate

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
truths = st.sampled_from(list(Truth))
many = st.lists(truths, max_size=6)

# first, second, and, or
TABLE = [
    (T, T, T, T),
    (T, F, F, T),
    (T, U, U, T),
    (F, F, F, F),
    (F, U, F, U),
    (U, U, U, U),
]


@pytest.mark.parametrize(("a", "b", "both", "either"), TABLE)
def test_the_tables(a: Truth, b: Truth, both: Truth, either: Truth) -> None:
    assert all_of((a, b)) is all_of((b, a)) is both
    assert any_of((a, b)) is any_of((b, a)) is either


def test_of_nothing_all_hold_and_none_does() -> None:
    assert all_of(()) is T
    assert any_of(()) is F


def test_a_truth_is_not_a_boolean() -> None:
    with pytest.raises(TypeError):
        bool(U)


@given(many)
def test_any_is_all_in_the_mirror(parts: list[Truth]) -> None:
    assert any_of(parts) is negate(all_of(negate(each) for each in parts))


@given(many)
def test_at_least_one_is_any_and_at_least_all_is_all(parts: list[Truth]) -> None:
    assert at_least(len(parts), parts) is all_of(parts)
    if parts:
        assert at_least(1, parts) is any_of(parts)


@given(many, st.integers(0, 6), st.data())
def test_learning_an_unknown_never_overturns_what_was_definite(
    parts: list[Truth], count: int, data: st.DataObject
) -> None:
    learnt = [data.draw(st.sampled_from([T, F])) if each is U else each for each in parts]

    for before, after in (
        (all_of(parts), all_of(learnt)),
        (any_of(parts), any_of(learnt)),
        (at_least(count, parts), at_least(count, learnt)),
    ):
        assert before in {U, after}
