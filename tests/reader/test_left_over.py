"""What was not understood, and at which words."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from app.criteria.codec import places
from app.criteria.nodes import NotUnderstood
from app.knowledge.load import load_catalogue
from app.reader import LeftOver, left_over, read_registration


@cache
def catalogue():
    return load_catalogue()


def found(*lines: str) -> tuple[LeftOver, ...]:
    return left_over(read_registration("Inclusion Criteria:\n- " + "\n- ".join(lines), catalogue()), catalogue())


def test_a_clause_is_told_with_the_word_that_stopped_it_and_the_words_nobody_knows():
    (left,) = found("Age 18 to 75 years", "Frobnicated gizmos, HIV infection and widgets")

    assert (left.criterion, left.stopped_at) == ("I2", "frobnicated")
    assert left.text == "Frobnicated gizmos, HIV infection and widgets"
    assert left.unknown == ("frobnicated gizmos", "widgets")


def test_what_is_understood_or_left_to_a_person_leaves_nothing_over():
    assert found("Age 18 to 75 years", "In the opinion of the investigator able to comply") == ()


@given(st.lists(st.sampled_from(["age", "over", "18", "years", "no", "HIV", "gizmo", "(", ")", "≥", "or", "with"])))
def test_every_clause_that_was_not_understood_is_told_once(words):
    read = read_registration("Inclusion Criteria:\n- " + " ".join(words), catalogue())
    spans = {
        (node.quote.start, node.quote.end)
        for each in read.criteria
        for _, node in places(each.expression)
        if isinstance(node, NotUnderstood) and node.quote is not None and node.quote.start < node.quote.end
    }

    assert len(left_over(read, catalogue())) == len(spans)
