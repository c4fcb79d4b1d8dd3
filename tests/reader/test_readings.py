"""Forms of words → expressions: each case is a line of our own and what it must be read as."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import pytest
import yaml

from app.knowledge.load import load_catalogue
from app.reader import read_criteria_text
from tests.reader.outline import outline

CASES = Path(__file__).parents[1] / "cases" / "readings"


class Case(TypedDict):
    """One line, the list it stands in, and its reading."""

    side: str
    text: str
    reads: str


def _cases() -> list[Case]:
    return [case for file in sorted(CASES.glob("*.yaml")) for case in yaml.safe_load(file.read_text())]


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["text"][:60])
def test_a_line_is_read_as_it_is_meant(case: Case) -> None:
    page = f"{case['side'].capitalize()} Criteria:\n- {case['text']}\n"

    (criterion,) = read_criteria_text(page, load_catalogue())

    assert criterion.kind.value == case["side"]
    assert outline(criterion.expression) == case["reads"]


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("ECOG 0-1", "computable"),
        ("Active autoimmune disease, except vitiligo", "computable"),
        ("Autoimmune disease, excluding skin diseases not requiring systemic therapy", "computable"),
        ("Autoimmune disease, except diseases not expected to relapse without external triggers", "partial"),
        ("Life expectancy of at least 3 months", "judgement"),
    ],
)
def test_a_criterion_says_how_far_it_is_computable(text: str, reading: str) -> None:
    (criterion,) = read_criteria_text(f"Inclusion Criteria:\n- {text}\n", load_catalogue())

    assert criterion.reading.value == reading


class Layout(TypedDict):
    """A text, and the side and reading of each of its criteria."""

    says: str
    text: str
    reads: list[str]


def _layouts() -> list[Layout]:
    files = sorted((CASES.parent / "layouts").glob("*.yaml"))
    return [case for file in files for case in yaml.safe_load(file.read_text())]


@pytest.mark.parametrize("case", _layouts(), ids=lambda case: case["says"][:60])
def test_a_layout_is_read_as_it_is_meant(case: Layout) -> None:
    criteria = read_criteria_text(case["text"], load_catalogue())

    assert [f"{each.kind.value} {outline(each.expression)}" for each in criteria] == case["reads"]
