"""Every character of an eligibility text belongs to a criterion, a heading, or the white space and signs of lists."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.reader.layout import read_page
from app.reader.normalise import normalise
from app.reader.split import Split, split
from tests.reader.gold import gold_files, is_here, source_text

if TYPE_CHECKING:
    from pathlib import Path

# What stands before an item and counts or marks it, and the word that links an item to the next.
_SIGNS = re.compile(r"(?:\s|\b(?:or|OR)\b|[•●▪◦○■□➢►·*#_.:;,()-]|\bo\b|\b(?:\d{1,2}|[a-hA-H]|[ivxIVX]{1,4})\b)*")
_LINES = [
    "Inclusion Criteria:",
    "EXCLUSION CRITERIA",
    "Key inclusion criteria (Part 2): age over 18",
    "Control group exclusion:",
    "Healthy volunteers",
    "Healthy controls:",
    "Cohort B - wibblers:",
    "For all participants:",
    "Withdrawal criteria:",
    "PATIENT CHARACTERISTICS:",
    "Age:",
    "Not provided",
    "- Diabetes",
    "* Any of the following:",
    "  - asthma; or",
    "    o COPD",
    "OR",
    "- or",
    "1. Hypertension; 2) stroke; (3) asthma",
    "2. One of: (a) wibble, (b) wobble and (c) wubble.",
    "(1) wibble (2) wobble",
    "a) wibble",
    "iv. wobble:",
    "Wibble wobble wubble",
    "wobble, lower case",
    "Wibble. Patients must meet all of the following criteria:",
    "Patients must meet all of the following criteria:",
    "Any other condition",
    "12) ",
    "-",
    "",
    "  ",
    "One of the following: wibble; wobble; wubble",
    "Wibble and ; or",
]


def unclaimed(text: str, found: Split, start: int, end: int) -> list[str]:
    """Runs of `text[start:end]` that are in no item and no heading, and are no white space or sign of a list."""
    claimed = sorted([*((item.start, item.stop) for item in found.items), *found.headings])
    runs, at = [], start
    for first, stop in [*claimed, (end, end)]:
        if first > at and not _SIGNS.fullmatch(text, at, first):
            runs.append(text[at:first])
        at = max(at, stop)
    return runs


@settings(max_examples=300)
@given(st.lists(st.sampled_from(_LINES), max_size=12).map("\n".join))
def test_no_line_of_any_layout_is_lost(text: str) -> None:
    assert unclaimed(text, split(text, 0, len(text), None), 0, len(text)) == []


@given(st.text(alphabet=st.sampled_from("ab1.:;,()-*o \nO or"), max_size=80))
def test_no_character_of_any_text_is_lost(text: str) -> None:
    plain = normalise(text)

    assert unclaimed(plain, split(plain, 0, len(plain), None), 0, len(plain)) == []


@given(st.lists(st.sampled_from(_LINES), max_size=12).map("\n".join))
def test_no_two_items_share_a_character(text: str) -> None:
    spans = sorted((item.start, item.stop) for item in split(text, 0, len(text), None).items)

    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_no_line_of_a_registration_is_lost(shared: Path) -> None:
    files = [file for file in gold_files("develop") if is_here(file, shared)]
    if not files:
        pytest.skip("No registration of the develop half is on this machine.")
    for file in files:
        text = normalise(source_text(file, shared))

        assert unclaimed(text, split(text, 0, len(text), None), 0, len(text)) == [], file.stem


def test_no_line_of_a_page_is_lost(shared: Path) -> None:
    pages = sorted((shared / "trials").glob("*.txt"))
    assert pages
    for page in pages:
        text = normalise(page.read_text(encoding="utf-8"))
        read = read_page(text)

        assert unclaimed(text, Split(read.items, read.headings), *read.region) == [], page.stem
