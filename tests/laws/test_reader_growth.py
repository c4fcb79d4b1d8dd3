"""The reader's time and memory grow with the length of a text, and no faster, whatever the text is.

Two lengths of the same text are compared, eight times apart. Growth with the square would be 64 times; what is allowed
here is 24 times, so that a busy machine does not fail it.
"""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.knowledge.load import load_catalogue
from app.reader import read_criteria_text

_SHORT = 2_000
_TIMES = 8
_ALLOWED = 24
_FLOOR_S = 0.004
"""What is faster than this is not measured: the clock is too coarse."""

_UNITS = [
    "(",
    "((",
    "(AB",
    "( ALT (",
    ",",
    "a, ",
    "1 ",
    "1/",
    "1 mg/a ",
    "<",
    "ALT < 3 x ULN, ",
    "ALT < 3 x ULN and ",
    "ALT, ",
    "diabetes and ",
    "diabetes or ",
    "diabetes; ",
    "Wibble wobble. ",
    "note: a; ",
    "wibble wobble\n",
    "wibble wobble\n\n",
    "- diabetes\n",
    "100. diabetes\n",
    "1. a; 2) b; ",
    " ",
    "\n",
    ":",
    "a-",
    "within 4 weeks ",
    "except ",
    "diabetes unless ",
    "such as: a; ",
    "the following: ",
    "age ",
    "grade 3 ",
    "women ",
    "\\<",
    "&lt;",
]
_WORDS = st.sampled_from(
    [*_UNITS, "ALT", "18", "years", "≥", "×", "ULN", "not ", "if ", "or ", ")", "- a:\n  ", "if liver metastases "]
)


def _page(unit: str, length: int) -> str:
    return f"Exclusion Criteria:\n- x {unit * (length // len(unit))} y\n"


def _seconds(page: str, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time()
        read_criteria_text(page, load_catalogue())
        times.append(time.process_time() - start)
    return max(min(times), _FLOOR_S)


def _grows_evenly(unit: str, rounds: int = 2) -> bool:
    return _seconds(_page(unit, _TIMES * _SHORT), rounds) <= _ALLOWED * _seconds(_page(unit, _SHORT), rounds)


@pytest.mark.parametrize("unit", _UNITS, ids=repr)
def test_eight_times_the_text_takes_about_eight_times_as_long(unit: str) -> None:
    assert _grows_evenly(unit) or _grows_evenly(unit, rounds=5)


@pytest.mark.parametrize(
    "opener",
    ["x", "if x", "for patients", "for patients with", "patients who", "patients with x must", "x in women", "not x"],
)
def test_nor_does_a_run_of_blanks_behind_any_opening_take_longer(opener: str) -> None:
    def page(length: int) -> str:
        return f"Exclusion Criteria:\n- {opener}{' ' * length}y\n"

    def seconds(length: int) -> float:
        return min(_seconds(page(length), 1) for _ in range(3))

    assert seconds(_TIMES * _SHORT) <= _ALLOWED * seconds(_SHORT)


@settings(max_examples=15, deadline=None)
@given(st.lists(_WORDS, min_size=1, max_size=4).map("".join))
def test_so_does_any_text_that_repeats(unit: str) -> None:
    assert _grows_evenly(unit) or _grows_evenly(unit, rounds=5)


@pytest.mark.parametrize("unit", ["(", ",", "1 ", "wibble ", "diabetes; "], ids=repr)
def test_memory_grows_with_the_text(unit: str) -> None:
    def peak(length: int) -> int:
        page = _page(unit, length)
        tracemalloc.start()
        read_criteria_text(page, load_catalogue())
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    read_criteria_text(_page(unit, _SHORT), load_catalogue())

    assert peak(_TIMES * _SHORT) <= _ALLOWED * peak(_SHORT)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param("Exclusion Criteria:\n- " + "(" * 10_000 + "ALT > 3 x ULN" + ")" * 10_000, id="10,000 brackets"),
        pytest.param("Exclusion Criteria:\n- " + "diabetes, " * 100_000, id="a line of a megabyte"),
        pytest.param(
            "Exclusion Criteria:\n" + "".join(" " * n + "- a:\n" for n in range(1_500)), id="1,500 lists deep"
        ),
        pytest.param("Exclusion Criteria:\n- " + "9" * 1_000_000 + " years", id="a number of a million digits"),
    ],
)
def test_what_nobody_would_write_is_read_and_quoted_whole(page: str) -> None:
    criteria = read_criteria_text(page, load_catalogue())

    assert criteria
    assert all(criterion.text == page[slice(*criterion.span)] for criterion in criteria)
