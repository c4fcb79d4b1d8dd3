"""Finds a gold line in the reader's output: the criteria, or the parts of one, that were read from its words."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from app.criteria.nodes import (
    AllOf,
    AnyOf,
    AtLeast,
    Criterion,
    If,
    Judgement,
    Not,
    NotUnderstood,
    Preference,
    children,
)
from app.reader.registration import Kind, ReadCriterion

_INSIDE = 0.8  # of a node's letters, from where on the node is the line's own
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Found:
    """What the reader made of a line; `expression` is None where the line is lost.

    `alone`: it binds by itself. Otherwise the reader has it as one of several of which one is enough (among the
    exclusions: of which all are needed), the others being read from other lines.
    """

    expression: Criterion | None
    sides: frozenset[str]
    alone: bool = True


class Letters:
    """Counts the letters and digits of spans: blanks, bullets and signs at the ends do not matter."""

    def __init__(self, text: str) -> None:
        self._places = [place for place, character in enumerate(text) if character.isalnum()]

    def count(self, start: int, end: int) -> int:
        """How many letters and digits stand in [start, end)."""
        return max(0, bisect_left(self._places, end) - bisect_left(self._places, start))

    def overlap(self, one: tuple[int, int], other: tuple[int, int]) -> int:
        """How many stand in both spans."""
        return self.count(max(one[0], other[0]), min(one[1], other[1]))


def locate(line: tuple[int, int], criteria: Sequence[ReadCriterion], letters: Letters) -> Found:
    """What `criteria` say of the words in `line`.

    A criterion that holds more than the line (a list whose items are gold lines) gives the part whose quotes lie in the
    line. Where several criteria lie in one line, they bind together as their side says.
    """
    own = letters.count(*line)
    parts: list[Criterion] = []
    sides: set[str] = set()
    covered = 0
    alone = True
    for criterion in criteria:
        shared = letters.overlap(line, criterion.span)
        if not shared:
            continue
        if shared >= _INSIDE * letters.count(*criterion.span):
            part: Criterion | None = criterion.expression
        elif shared >= _HALF * own:
            part = _within(criterion.expression, line, letters)
            alone = alone and _binds(criterion.expression, line, letters, is_enough=criterion.kind is Kind.EXCLUSION)
        else:
            continue
        covered += shared
        sides.add(criterion.kind.value)
        if part is not None:
            parts.append(part)
    if not parts or covered < _HALF * own:
        return Found(None, frozenset(sides))
    if len(parts) == 1:
        return Found(parts[0], frozenset(sides), alone)
    join = AnyOf if sides == {"exclusion"} else AllOf
    return Found(join(tuple(parts)), frozenset(sides), alone)


def _within(node: Criterion, line: tuple[int, int], letters: Letters) -> Criterion | None:
    """The part of `node` that was read from the words of `line`; what has no quote goes with what is around it."""
    quote = node.quote
    if quote is not None:
        span = (quote.start, quote.end)
        shared = letters.overlap(line, span)
        if shared and shared >= _INSIDE * letters.count(*span):
            return node
    match node:
        case AllOf(parts) | AnyOf(parts) | AtLeast(parts=parts):
            kept = tuple(part for each in parts if (part := _within(each, line, letters)) is not None)
            if len(kept) < 2:
                return kept[0] if kept else None
            return AnyOf(kept) if isinstance(node, AnyOf) else AllOf(kept)
        case Not(part):
            inner = _within(part, line, letters)
            return None if inner is None else Not(inner)
        case If(condition, then, otherwise):
            first = _within(then, line, letters)
            second = None if otherwise is None else _within(otherwise, line, letters)
            if first is not None:
                return If(condition, first, second)
            if second is not None:
                return If(Not(condition), second)
            return None
        case _:
            if quote is None:
                return node
            shared = letters.overlap(line, (quote.start, quote.end))
            is_most = shared >= _HALF * letters.count(quote.start, quote.end) or shared >= _HALF * letters.count(*line)
            return node if shared and is_most else None


def _binds(node: Criterion, line: tuple[int, int], letters: Letters, *, is_enough: bool) -> bool:
    """Whether the part of `node` that is `line` binds by itself, whatever is read from the lines around it.

    `is_enough`: one part that holds is enough, as among exclusions; otherwise every part is needed.
    """
    quote = node.quote
    if quote is not None:
        shared = letters.overlap(line, (quote.start, quote.end))
        if shared and shared >= _INSIDE * letters.count(quote.start, quote.end):
            return True
    match node:
        case AllOf(parts) | AnyOf(parts):
            own = [(part, inner) for part in parts if (inner := _within(part, line, letters)) is not None]
            others = [part for part in parts if _within(part, line, letters) is None]
            joined_otherwise = isinstance(node, AnyOf) is not is_enough
            if joined_otherwise and any(_has_fact(inner) for _, inner in own) and any(map(_has_fact, others)):
                return False
            return all(_binds(part, line, letters, is_enough=is_enough) for part, _ in own)
        case Not(part):
            return _binds(part, line, letters, is_enough=not is_enough)
        case If(then=then, otherwise=otherwise):
            branches = [then] if otherwise is None else [then, otherwise]
            return all(_binds(each, line, letters, is_enough=is_enough) for each in branches)
        case _:
            return True


def _has_fact(node: Criterion) -> bool:
    inner = children(node)
    return any(map(_has_fact, inner)) if inner else not isinstance(node, Judgement | NotUnderstood | Preference)
