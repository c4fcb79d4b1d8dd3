"""How many of a list: "any of", "at least two of", "all of", "none of the following"."""

from __future__ import annotations

import re

from app.criteria.nodes import AllOf, AnyOf, AtLeast, Criterion, Not, Quote

_NUMBER_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_COUNT = re.compile(
    r"\b(?:at\s+least|minimum\s+of|≥|>=|more\s+than\s+or\s+equal\s+to)\s*(?P<least>\d|one|two|three|four|five)\b|"
    r"\b(?P<more>\d|one|two|three|four|five)\s+(?:\(\d\)\s+)?or\s+more\b|"
    r"\b(?P<exact>two|three|four|five|[2-5])\s+of\s+the\b",
    re.IGNORECASE,
)
_ANY = re.compile(r"\b(?:any|one|either)\b", re.IGNORECASE)
_EVERY = re.compile(r"\b(?:all|each|every|both)\b", re.IGNORECASE)


def count_span(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the words stand that count a list ("two or more", "at least 2"); empty at `start` where there are none."""
    match = _COUNT.search(text, start, end)
    return (start, start) if match is None else match.span()


def counts_a_list(lead: str) -> bool:
    """The words say how many of the things behind them are meant."""
    return any(pattern.search(lead) for pattern in (_COUNT, _ANY, _EVERY)) or "none of" in lead.lower()


def says_every(lead: str) -> bool:
    """The words before a list ask for all of it."""
    return _EVERY.search(lead) is not None


def counted(lead: str, parts: tuple[Criterion, ...], quote: Quote, *, negative: bool) -> Criterion | None:
    """The parts as the words before them count them; None where they do not say how many, or deny more than one.

    `negative`: the words deny the list ("none of the following").
    """
    count, every = _count(lead), says_every(lead)
    if negative:
        if every or (count or 1) > 1:
            return None
        return Not(AnyOf(parts, quote) if len(parts) > 1 else parts[0], quote)
    if len(parts) == 1:
        return parts[0]
    if count is not None and count > 1:
        return AtLeast(count, parts, quote)
    if count == 1 or (_ANY.search(lead) and not every):
        return AnyOf(parts, quote)
    return AllOf(parts, quote) if every else None


def _count(own: str) -> int | None:
    match = _COUNT.search(own)
    if match is None:
        return None
    written = (match["least"] or match["more"] or match["exact"]).lower()
    return _NUMBER_WORDS.get(written) or int(written)
