"""Steps of ordinal scales: "0-1", "≥ II", "C or above", "0, 1 or 2"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.criteria.nodes import Op, ScoreBound
from app.reader.measures import comparator, skip_fillers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.knowledge.catalogue import Scale
    from app.reader.tokens import Token

_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5}
_STEPS = frozenset({"grade", "class", "stage", "score"})


def scale_bounds(tokens: Sequence[Token], i: int, scale: Scale) -> tuple[tuple[ScoreBound, ...], int] | None:
    """Bounds on a scale at `i`: "0-1", "≥ II", "C or above", "class C", "less than 2", "0, 1 or 2"."""
    i = skip_fillers(tokens, i)
    while i < len(tokens) and tokens[i].stem in _STEPS:
        i += 1
    compared = comparator(tokens, i)
    at = compared[1] if compared else i
    value = _scale_value(tokens, at, scale)
    if value is None:
        return None
    at += 1
    if compared:
        # "≥ III-IV": from the lower one on.
        if at + 1 < len(tokens) and tokens[at].stem == "-" and _scale_value(tokens, at + 1, scale):
            at += 2
        return (ScoreBound(compared[0], value),), at
    if at < len(tokens) and "or-more" in tokens[at].cues:
        return (ScoreBound(Op.GE, value),), at + 1
    if at < len(tokens) and "or-less" in tokens[at].cues:
        return (ScoreBound(Op.LE, value),), at + 1
    high = value
    while at + 1 < len(tokens) and tokens[at].stem in {"-", "to", ",", "or", "and"}:
        nxt = _scale_value(tokens, at + 1, scale)
        if nxt is None:
            break
        high = nxt
        at += 2
    return (ScoreBound(Op.GE, value), ScoreBound(Op.LE, high)), at


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
