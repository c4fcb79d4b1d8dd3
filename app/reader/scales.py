"""Steps of ordinal scales: "0-1", "≥ II", "C or above", "0, 1 or 2"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.criteria.nodes import Op, ScoreBound
from app.reader.measures import comparator, past_inclusive, skip_fillers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.knowledge.catalogue import Scale
    from app.reader.tokens import Token

_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5}
_STEPS = frozenset({"grade", "class", "stage", "score", "scale", "functional class", "functional"})
_JOINERS = frozenset({"-", "to", ",", "or", "and", "/", "~"})


def scale_bounds(tokens: Sequence[Token], i: int, scale: Scale) -> tuple[tuple[ScoreBound, ...], int] | None:
    """Bounds on a scale at `i`: "0-1", "≥ II", "C or above", "class C", "less than 2", "0, 1 or 2", "III/IV".

    Where a value stands for several numbers (Child-Pugh A is 5 and 6), a bound must not cut through them.
    """
    i = _past_fillers(tokens, i, scale)
    while i < len(tokens) and (tokens[i].stem in _STEPS or "between" in tokens[i].cues):
        i = _past_fillers(tokens, i + 1, scale)
    compared = comparator(tokens, i)
    at = compared[1] if compared else i
    value = _scale_value(tokens, at, scale)
    if value is None:
        return None
    first = tokens[at]
    at += 1
    if compared:
        # "≥ III-IV": from the lower one on.
        if at + 1 < len(tokens) and tokens[at].stem == "-" and _scale_value(tokens, at + 1, scale):
            at += 2
        op = compared[0]
        return ((ScoreBound(op, value),), at) if _is_edge(first, value, scale, op) else None
    if at < len(tokens) and "or-more" in tokens[at].cues:
        return ((ScoreBound(Op.GE, value),), at + 1) if _is_edge(first, value, scale, Op.GE) else None
    if at < len(tokens) and "or-less" in tokens[at].cues:
        return ((ScoreBound(Op.LE, value),), at + 1) if _is_edge(first, value, scale, Op.LE) else None
    high, last = value, first
    while (ahead := _past_joiners(tokens, at)) > at:
        nxt = _scale_value(tokens, ahead, scale)
        if nxt is None:
            break
        high, last = nxt, tokens[ahead]
        at = ahead + 1
    if not (_is_edge(first, value, scale, Op.GE) and _is_edge(last, high, scale, Op.LE)):
        return None
    return (ScoreBound(Op.GE, value), ScoreBound(Op.LE, high)), past_inclusive(tokens, at)


def _past_fillers(tokens: Sequence[Token], i: int, scale: Scale) -> int:
    """Past words that say nothing; "A" of "class A" is one of the scale's, "a score of 5" has an article."""
    while (after := skip_fillers(tokens[: i + 1], i)) > i:
        article = i + 1 < len(tokens) and (tokens[i + 1].stem in _STEPS or tokens[i + 1].number is not None)
        if _scale_value(tokens, i, scale) is not None and not article:
            break
        i = after
    return i


def _past_joiners(tokens: Sequence[Token], at: int) -> int:
    """Past "-", "to", "or", ", or", "/" between two steps, and "grade" or "class" said again."""
    stop = at
    while stop < len(tokens) and stop < at + 2 and tokens[stop].stem in _JOINERS:
        stop += 1
    if stop > at:
        while stop < len(tokens) and tokens[stop].stem in _STEPS:
            stop += 1
    return stop


def _is_edge(token: Token, value: str, scale: Scale, op: Op) -> bool:
    """A number that stands for a class with others is its lowest ("≥", "<") or highest ("≤", ">") one."""
    if token.number is None:
        return True
    words = next(each.words for each in scale.values if each.value == value)
    numbers = sorted(int(word) for word in words if word.isdigit())
    if len(numbers) < 2:
        return True
    return token.number == (numbers[0] if op in {Op.GE, Op.LT} else numbers[-1])


def _scale_value(tokens: Sequence[Token], i: int, scale: Scale) -> str | None:
    if i >= len(tokens):
        return None
    token = tokens[i]
    written = {token.stem.upper()}
    if token.number is not None:
        written.add(format(token.number.normalize(), "f"))
    if token.stem.lower() in _ROMAN:
        written.add(str(_ROMAN[token.stem.lower()]))
    for each in scale.values:
        if each.value.upper() in written or any(word.upper() in written for word in each.words):
            return each.value
    return None
