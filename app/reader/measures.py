"""Numbers with a name: laboratory limits, scores, ages, and what stratifies them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from app.criteria.nodes import AgeBound, Bound, NormalEnd, NormalLimit, Op, Quantity, ScoreBound
from app.criteria.time import Duration, TimeUnit
from app.reader.tokens import Tok

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.criteria.nodes import Limit
    from app.knowledge.catalogue import Catalogue, Scale
    from app.reader.tokens import Token

_WORD_OPS = {"lt": Op.LT, "le": Op.LE, "ge": Op.GE, "gt": Op.GT}
_FILLERS = frozenset({"neutral", "current"})
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5}
_STEPS = frozenset({"grade", "class", "stage", "score"})


@dataclass(frozen=True, slots=True)
class Numbers:
    """Bounds read from tokens, and the index after them."""

    bounds: tuple[Bound, ...]
    stop: int


def comparator(tokens: Sequence[Token], i: int) -> tuple[Op, int] | None:
    """A comparator sign or words at `i`; a colon before a range is none."""
    if i >= len(tokens):
        return None
    token = tokens[i]
    if token.kind is Tok.COMPARATOR and token.op is not None:
        return token.op, i + 1
    for cue in token.cues:
        if cue in _WORD_OPS:
            return _WORD_OPS[cue], i + 1
    return None


def skip_fillers(tokens: Sequence[Token], i: int) -> int:
    """Past words that change nothing between a name and its number."""
    while i < len(tokens) and (
        (_FILLERS & set(tokens[i].cues) and not tokens[i].names) or tokens[i].stem in {":", "patient"}
    ):
        i += 1
    return i


def _turn(op: Op) -> Op:
    return {Op.LT: Op.GE, Op.LE: Op.GT, Op.GE: Op.LT, Op.GT: Op.LE}[op]


def limits(tokens: Sequence[Token], i: int, default_unit: str) -> Numbers | None:
    """One or more bounds at `i`: "≥ 3×10^9/L", "between 1 and 2", "0-1", "> ULN + 4 s", "1.5 to 2 g/dL"."""
    i = skip_fillers(tokens, i)
    first = comparator(tokens, i)
    if first is None:
        return _span(tokens, i, default_unit) or _trailing(tokens, i, default_unit)
    op, at = first
    limit = read_limit(tokens, at, default_unit)
    if limit is None:
        return None
    return Numbers((Bound(op, limit[0]),), limit[1])


def _trailing(tokens: Sequence[Token], i: int, default_unit: str) -> Numbers | None:
    """Reads "90% or below", "100 x 10^9/L or more"."""
    limit = read_limit(tokens, i, default_unit)
    if limit is None or limit[1] >= len(tokens):
        return None
    cues = tokens[limit[1]].cues
    op = Op.GE if "or-more" in cues else Op.LE if "or-less" in cues else None
    return Numbers((Bound(op, limit[0]),), limit[1] + 1) if op is not None else None


def _span(tokens: Sequence[Token], i: int, default_unit: str) -> Numbers | None:
    """Reads "0-1", "18 to 75": both ends belong to it."""
    if i + 2 >= len(tokens) or tokens[i].number is None or tokens[i + 1].stem not in {"-", "to"}:
        return None
    low, high = read_limit(tokens, i, default_unit), read_limit(tokens, i + 2, default_unit)
    if low is None or high is None or not isinstance(low[0], Quantity) or not isinstance(high[0], Quantity):
        return None
    unit = high[0].unit if tokens[i].quantity is None else low[0].unit
    return Numbers((Bound(Op.GE, Quantity(low[0].value, unit)), Bound(Op.LE, high[0])), high[1])


def read_limit(tokens: Sequence[Token], i: int, default_unit: str) -> tuple[Limit, int] | None:
    """A limit at `i`: a quantity, "1.5 x ULN", "twice the upper limit", "ULN + 4 s"."""
    if i >= len(tokens):
        return None
    token = tokens[i]
    if "twice" in token.cues:
        return _normal(tokens, i + 1, Decimal(2))
    if "uln" in token.cues or "lln" in token.cues:
        return _normal(tokens, i, Decimal(1))
    if token.kind is Tok.QUANTITY and token.quantity is not None:
        return token.quantity, i + 1
    if token.number is None:
        return None
    after = i + 1
    while after < len(tokens) and (tokens[after].stem in {"×", "*"} or "times" in tokens[after].cues):
        after += 1
    normal = _normal(tokens, after, token.number)
    if normal is not None:
        return normal
    if token.kind is not Tok.NUMBER or token.power:
        return None
    return Quantity(token.number, default_unit), i + 1


def _normal(tokens: Sequence[Token], i: int, factor: Decimal) -> tuple[NormalLimit, int] | None:
    while i < len(tokens) and tokens[i].cues and set(tokens[i].cues) <= {"neutral"}:
        i += 1
    if i >= len(tokens):
        return None
    end = NormalEnd.UPPER if "uln" in tokens[i].cues else NormalEnd.LOWER if "lln" in tokens[i].cues else None
    if end is None:
        return None
    if i + 2 < len(tokens) and tokens[i + 1].stem == "+" and (plus := tokens[i + 2].quantity) is not None:
        return NormalLimit(end, factor, plus), i + 3
    return NormalLimit(end, factor), i + 1


def age_bounds(tokens: Sequence[Token], i: int) -> tuple[tuple[AgeBound, ...], int] | None:
    """Reads "18-75 years", "≤ 18 years", "18 years or older", "at least 18" after an age word."""
    i = skip_fillers(tokens, i)
    between = i < len(tokens) and tokens[i].stem == "between"
    if between or (i < len(tokens) and tokens[i].stem == "from"):
        i += 1
    if (
        i + 2 < len(tokens)
        and tokens[i].number is not None
        and (tokens[i + 1].stem in {"-", "to"} or (between and tokens[i + 1].stem == "and"))
        and tokens[i + 2].number is not None
    ):
        unit = _age_unit(tokens[i + 2])
        low = Duration(tokens[i].number or Decimal(0), _age_unit(tokens[i]) if tokens[i].duration else unit)
        return (AgeBound(Op.GE, low), AgeBound(Op.LE, Duration(tokens[i + 2].number or Decimal(0), unit))), i + 3
    compared = comparator(tokens, i)
    at = compared[1] if compared else i
    if at >= len(tokens) or tokens[at].number is None:
        return None
    age = Duration(tokens[at].number or Decimal(0), _age_unit(tokens[at]))
    at += 1
    if compared:
        first = AgeBound(compared[0], age)
        second = age_bounds(tokens, at + 1) if at < len(tokens) and tokens[at].stem == "and" else None
        return ((first, *second[0]), second[1]) if second and comparator(tokens, at + 1) else ((first,), at)
    after = skip_fillers(tokens, at)
    while after < len(tokens) and (tokens[after].stem == "old" or "age" in tokens[after].cues):
        after += 1
    if after < len(tokens) and "or-more" in tokens[after].cues:
        return (AgeBound(Op.GE, age),), after + 1
    if after < len(tokens) and "or-less" in tokens[after].cues:
        return (AgeBound(Op.LE, age),), after + 1
    return None


def _age_unit(token: Token) -> TimeUnit:
    return token.duration.unit if token.duration else TimeUnit.YEAR


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


def unit_of(catalogue: Catalogue, analyte: str) -> str:
    """The unit a bare number has: only where the analyte has none ("1") or per cent is implied; else ""."""
    unit = catalogue.analytes[analyte].unit
    return unit if unit in {"1", "{INR}", "%"} or unit.startswith("{") else ""
