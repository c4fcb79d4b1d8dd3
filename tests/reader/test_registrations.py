"""The five registrations: every criterion present, in order, on the right side, and read as far as data can decide."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest

from app.criteria.nodes import Elapsed, HasCondition, Not, children
from app.knowledge.load import load_catalogue
from app.reader import Kind, Reading, read_registration
from tests.reader.outline import outline

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.criteria.nodes import Criterion
    from app.reader import Registration

# Registration → (inclusions, exclusions) in its text; "age" is from a page's own field.
COUNTS = {
    "NCT03619954": (8, 17),
    "NCT05143125": (6, 11),
    "NCT06991478": (0, 17),
    "NCT07561437": (10, 16),
    "cord-blood-nk-soft-tissue-sarcoma": (13, 25),
}


def _read(shared: Path, name: str) -> Registration:
    return read_registration((shared / "trials" / f"{name}.txt").read_text(), load_catalogue())


@pytest.mark.parametrize("name", COUNTS)
def test_every_criterion_is_there_on_its_side(shared: Path, name: str) -> None:
    registration = _read(shared, name)

    kinds = [criterion.kind for criterion in registration.criteria]
    assert (kinds.count(Kind.INCLUSION), kinds.count(Kind.EXCLUSION)) == COUNTS[name]
    assert kinds == sorted(kinds, key=[Kind.INCLUSION, Kind.EXCLUSION].index)


@pytest.mark.parametrize("name", COUNTS)
def test_spans_point_into_the_source_and_no_word_is_lost(shared: Path, name: str) -> None:
    registration = _read(shared, name)
    spans = [criterion.span for criterion in registration.criteria if criterion.span != (0, 0)]

    assert all(
        registration.text[slice(*each.span)] == each.text for each in registration.criteria if each.span != (0, 0)
    )
    assert spans == sorted(spans)
    between = [registration.text[left[1] : right[0]] for left, right in itertools.pairwise(spans)]
    heading = re.compile(
        r"(?:exclusion criteria|participants who meet any of the following criteria are not eligible for the study)\W*",
        re.IGNORECASE,
    )
    assert all(not re.search(r"[A-Za-z]{2}", heading.sub("", text)) for text in between)


@pytest.mark.parametrize("name", COUNTS)
def test_nothing_is_left_unread_that_names_no_doubt(shared: Path, name: str) -> None:
    unread = [each for each in _read(shared, name).criteria if each.reading is Reading.UNREAD]

    assert unread == []


def test_the_page_without_headings_lists_exclusions(shared: Path) -> None:
    registration = _read(shared, "NCT06991478")

    assert {criterion.kind for criterion in registration.criteria} == {Kind.EXCLUSION}


def test_a_requirement_among_the_exclusions_turns_and_says_so(shared: Path) -> None:
    criterion = next(
        each for each in _read(shared, "NCT06991478").criteria if "completed for at least 4 weeks" in each.text
    )

    assert isinstance(criterion.expression, Not)
    assert sum(isinstance(leaf, Elapsed) for leaf in _nodes(criterion.expression)) == 5
    assert any("requirement" in note for note in criterion.notes)


def test_lost_bullets_are_items_of_their_own(shared: Path) -> None:
    texts = [" ".join(criterion.text.split()) for criterion in _read(shared, "NCT07561437").criteria]

    for start in (
        "Not fully recovered",
        "Participated in another",
        "Received cellular",
        "Meeting any of",
        "Any uncertain",
    ):
        assert sum(text.startswith(start) for text in texts) == 1


def test_a_line_that_binds_nobody_is_a_note(shared: Path) -> None:
    criterion = next(each for each in _read(shared, "NCT03619954").criteria if each.text.startswith("Priority"))

    assert criterion.reading is Reading.NOTE


def test_other_malignancies_leave_out_the_disease_under_study(shared: Path) -> None:
    for name, disease in (
        ("cord-blood-nk-soft-tissue-sarcoma", "soft-tissue-sarcoma"),
        ("NCT07561437", "solid-tumour"),
    ):
        others = [
            leaf
            for criterion in _read(shared, name).criteria
            for leaf in _nodes(criterion.expression)
            if isinstance(leaf, HasCondition) and leaf.other_than
        ]
        assert others, name
        assert all(disease in leaf.other_than for leaf in others)


def test_numbering_that_restarts_inside_a_line_goes_on_where_it_left_off(shared: Path) -> None:
    numbers = [each.number for each in _read(shared, "NCT03619954").criteria if each.kind is Kind.INCLUSION]

    assert numbers == ["1", "2", "3", "4", "5", "6", "7", "8"]


def test_a_field_of_the_page_is_a_criterion_where_the_text_is_silent(shared: Path) -> None:
    criteria = {each.id: outline(each.expression) for each in _read(shared, "NCT07561437").criteria}

    assert criteria["age"] == "age >= 18 years <= 75 years"
    assert "age" not in {each.id for each in _read(shared, "NCT05143125").criteria}


def _nodes(node: Criterion) -> Iterable[Criterion]:
    yield node
    for each in children(node):
        yield from _nodes(each)
