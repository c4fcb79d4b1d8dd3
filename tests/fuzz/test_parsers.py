"""Whatever the bytes: every parser answers or refuses, in bounded time and memory.

By default a few seconds; `make fuzz` sets ELIGO_FUZZ=full for thousands of examples a parser.
"""

from __future__ import annotations

import os
import resource
import time
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutating import mutated
from tests.fuzz.parsers import Parser, desk, parsers

FULL = os.environ.get("ELIGO_FUZZ") == "full"
EXAMPLES = 1500 if FULL else 25
MOST_S = 5.0
"""Process time for one input of a few kilobytes; the slowest takes some 0.1 s."""
MOST_KB = 400_000
"""What a parser may come to hold while it reads all of them, one after the other."""


@pytest.mark.parametrize("name", parsers())
def test_every_parser_reads_its_samples(name):
    parser = parsers()[name]

    if name != "token":  # its signature is none
        assert all(map(parser.reads_or_refuses, parser.samples))


def damaged(parser: Parser) -> st.SearchStrategy[bytes]:
    """Anything, or a sample that somebody has damaged."""
    seeds = st.tuples(st.sampled_from(list(parser.samples)), st.integers(0, 2**32))
    return st.binary(max_size=200) | seeds.map(lambda pair: mutated(pair[0], Random(pair[1])))


@pytest.mark.parametrize("name", parsers())
def test_a_parser_answers_or_refuses(name):
    parser = parsers()[name]
    desk()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=not FULL,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip
    @given(damaged(parser))
    def holds(body: bytes) -> None:
        start = time.process_time()
        parser.reads_or_refuses(body)
        assert time.process_time() - start < MOST_S, len(body)

    holds()

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_KB
