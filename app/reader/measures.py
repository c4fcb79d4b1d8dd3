"""Numbers with a name: comparators, quantities, ends of the reference range, and the bounds they come to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from app.criteria.nodes import Bound, NormalEnd, NormalLimit, Op, Quantity
from app.reader.tokens import NameKind, Tok, Token, names_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.criteria.nodes import Limit
    from app.knowledge.catalogue import Catalogue

_WORD_OPS = {"lt": Op.LT, "le": Op.LE, "ge": Op.GE, "gt": Op.GT}
_FILLERS = frozenset({"neutral", "current"})
_LOWER = frozenset({Op.GE, Op.GT})
NORMAL_RANGE = (
    Bound(Op.GE, NormalLimit(NormalEnd.LOWER)),
    Bound(Op.LE, NormalLimit(NormalEnd.UPPER)),
)
OUT_OF_RANGE = (
    Bound(Op.LT, NormalLimit(NormalEnd.LOWER)),
    Bound(Op.GT, NormalLimit(NormalEnd.UPPER)),
)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Bounds read from tokens, and the index after them. `either`: one of the two holds ("< 18 or > 35")."""

    bounds: tuple[Bound, ...]
    stop: int
    either: bool = False


def comparator(tokens: Sequence[Token], i: int) -> tuple[Op, int] | None:
    """A comparator sign or words at `i`, said once or twice ("at least (≥)"); an equals sign is none."""
    if i >= len(tokens):
        return None
    op = _op(tokens[i])
    if op is None:
        return None
    i += 1
    again = i + 1 if i < len(tokens) and tokens[i].stem == "(" else i
    if again < len(tokens) and tokens[again].kind is Tok.COMPARATOR and _op(tokens[again]) is op:
        if again == i:
            return op, i + 1
        if again + 1 < len(tokens) and tokens[again + 1].stem == ")":
            return op, again + 2
    return op, i


def _op(token: Token) -> Op | None:
    if token.kind is Tok.COMPARATOR:
        return token.op
    return next((_WORD_OPS[cue] for cue in token.cues if cue in _WORD_OPS), None)


_FLIPPED = {Op.LT: Op.GT, Op.LE: Op.GE, Op.GE: Op.LE, Op.GT: Op.LT}


def name_first(tokens: list[Token]) -> list[Token]:
    """Reads "18 ≤ age ≤ 75" as "age ≥ 18 and ≤ 75": the limit before the name goes behind it, turned round."""
    for k in range(2, len(tokens) - 2):
        limit, before, name, after = tokens[k - 2 : k + 2]
        if before.kind is not Tok.COMPARATOR or after.kind is not Tok.COMPARATOR:
            continue
        if before.op is None or after.op is None or (before.op in _LOWER) is not (after.op in _LOWER):
            continue
        measured = names_of(name, NameKind.ANALYTE, NameKind.SCALE) or "age" in name.cues
        if limit.number is None or not measured:
            continue
        turned = before._replace(op=_FLIPPED[before.op])
        joint = Token(Tok.WORD, "and", before.start, before.end)
        return [*tokens[: k - 2], name._replace(start=limit.start), turned, limit, joint, *tokens[k + 1 :]]
    return tokens


def past_inclusive(tokens: Sequence[Token], i: int) -> int:
    """Past "inclusive", ", inclusive", "(inclusive)" behind a range, both ends of which belong to it anyway."""
    at = i + (i < len(tokens) and tokens[i].stem in {",", "("})
    if at >= len(tokens) or "inclusive" not in tokens[at].cues:
        return i
    if tokens[i].stem != "(":
        return at + 1
    return at + 2 if at + 1 < len(tokens) and tokens[at + 1].stem == ")" else i


def skip_fillers(tokens: Sequence[Token], i: int) -> int:
    """Past words that change nothing between a name and its number."""
    while i < len(tokens) and (
        (_FILLERS & set(tokens[i].cues) and not tokens[i].names)
        or tokens[i].stem in {":", "patient"}
        or (tokens[i].kind is Tok.COMPARATOR and tokens[i].op is None)
    ):
        i += 1
    return i


def limits(tokens: Sequence[Token], i: int, default_unit: str) -> Numbers | None:
    """One or more bounds at `i`: "≥ 3×10^9/L", "between 1 and 2", "0-1", "> ULN + 4 s", "< 18 or > 35 kg/m2"."""
    i = skip_fillers(tokens, i)
    first = comparator(tokens, i)
    if first is None:
        return _normal_range(tokens, i) or _span(tokens, i, default_unit) or _trailing(tokens, i, default_unit)
    op, at = first
    limit = read_limit(tokens, at, default_unit)
    if limit is None:
        return None
    return _second(tokens, Bound(op, limit[0]), limit[1], default_unit) or Numbers((Bound(op, limit[0]),), limit[1])


def _second(tokens: Sequence[Token], first: Bound, i: int, default_unit: str) -> Numbers | None:
    """Reads "... and < 500 ms", "... or > 35": a second bound on the other side of the same value."""
    at, joiners = i, []
    while at < len(tokens) and tokens[at].stem in {"and", "but", "or", ",", "-", "to", "and/or"} and at < i + 2:
        joiners.append(tokens[at].stem)
        at += 1
    normal = _normal_range(tokens, skip_fillers(tokens, at)) if joiners and "or" not in joiners else None
    if normal is not None and not normal.either:
        # "> 50 % and within normal limits": which end of them is asked for besides, its direction says.
        return Numbers((first, NORMAL_RANGE[first.op not in _LOWER]), normal.stop)
    compared = comparator(tokens, at)
    if compared is None or not joiners or (compared[0] in _LOWER) is (first.op in _LOWER):
        return None
    limit = read_limit(tokens, compared[1], default_unit)
    if limit is None:
        return None
    second = Bound(compared[0], limit[0])
    if isinstance(first.limit, Quantity) and isinstance(second.limit, Quantity) and not first.limit.unit:
        first = replace(first, limit=replace(first.limit, unit=second.limit.unit))
    low, high = (first, second) if first.op in _LOWER else (second, first)
    holds = _in_order(low.limit, high.limit)
    if holds is None or (holds and "or" in joiners):
        # "> 3 or < 5" is everybody, and two units have no order that shows here.
        return None
    return Numbers((first, second), limit[1], either=not holds)


def _in_order(low: Limit, high: Limit) -> bool | None:
    """The lower limit lies below the upper; None where that is not certain."""
    match low, high:
        case Quantity(a, unit), Quantity(b, same) if unit == same:
            return a <= b
        case NormalLimit(end, a, None), NormalLimit(same_end, b, None) if end is same_end:
            return a <= b
        case NormalLimit(NormalEnd.LOWER, a, None), NormalLimit(NormalEnd.UPPER, b, None) if a <= 1 <= b:
            return True
        case NormalLimit(NormalEnd.UPPER, a, None), NormalLimit(NormalEnd.LOWER, b, None) if b <= 1 <= a:
            return False
        case _:
            return None


def _normal_range(tokens: Sequence[Token], i: int) -> Numbers | None:
    """Reads "within normal limits", from the lower to the upper end of the reference range; "outside" of them."""
    if i < len(tokens) and "normal-range" in tokens[i].cues:
        return Numbers(NORMAL_RANGE, i + 1)
    if i < len(tokens) and "out-of-range" in tokens[i].cues:
        return Numbers(OUT_OF_RANGE, i + 1, either=True)
    return None


def _trailing(tokens: Sequence[Token], i: int, default_unit: str) -> Numbers | None:
    """Reads "90% or below", "100 x 10^9/L or more"."""
    limit = read_limit(tokens, i, default_unit)
    if limit is None or limit[1] >= len(tokens):
        return None
    cues = tokens[limit[1]].cues
    op = Op.GE if "or-more" in cues else Op.LE if "or-less" in cues else None
    return Numbers((Bound(op, limit[0]),), limit[1] + 1) if op is not None else None


def _span(tokens: Sequence[Token], i: int, default_unit: str) -> Numbers | None:
    """Reads "0-1", "18 to 75", "between 1.5 and 3 x ULN": both ends belong to it."""
    between = i < len(tokens) and "between" in tokens[i].cues
    i = skip_fillers(tokens, i + 1) if between else i
    if i + 2 >= len(tokens) or tokens[i].number is None:
        return None
    joiner = tokens[i + 1].stem
    if joiner not in {"-", "to", "~"} and not (between and joiner == "and"):
        low = read_limit(tokens, i, default_unit)
        if low is None or low[1] + 1 >= len(tokens) or not isinstance(low[0], NormalLimit):
            return None
        joiner, after = tokens[low[1]].stem, low[1] + 1
        if joiner not in {"-", "to", "~"} and not (between and joiner == "and"):
            return None
    else:
        low, after = read_limit(tokens[: i + 1], i, default_unit), i + 2
    high = read_limit(tokens, after, default_unit)
    if low is None or high is None:
        return None
    first, second = low[0], high[0]
    if isinstance(first, Quantity) and isinstance(second, NormalLimit):
        first = NormalLimit(second.end, first.value) if tokens[i].kind is Tok.NUMBER else first
    elif isinstance(first, Quantity) and isinstance(second, Quantity):
        if tokens[i].quantity is None:
            if tokens[i].power:
                return None
            first = Quantity(first.value, second.unit)
        elif tokens[after].quantity is None:
            second = Quantity(second.value, first.unit)
    if not _in_order(first, second):
        return None
    return Numbers((Bound(Op.GE, first), Bound(Op.LE, second)), past_inclusive(tokens, high[1]))


def read_limit(tokens: Sequence[Token], i: int, default_unit: str) -> tuple[Limit, int] | None:
    """A limit at `i`: a quantity, "1.5 x ULN", "twice the upper limit", "ULN + 4 s", "ULN x 2"."""
    if i >= len(tokens):
        return None
    token = tokens[i]
    if "twice" in token.cues:
        return _normal(tokens, i + 1, Decimal(2))
    if (end := _normal(tokens, i, None)) is not None:
        return end
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
    if token.kind is not Tok.NUMBER or token.power or after > i + 1:
        return None
    return Quantity(token.number, default_unit), i + 1


def _normal(tokens: Sequence[Token], i: int, factor: Decimal | None) -> tuple[NormalLimit, int] | None:
    """An end of the reference range at `i`; with a `factor` before it, "above" may stand between ("3 x above ULN")."""
    if factor is not None and i < len(tokens) and "gt" in tokens[i].cues:
        i += 1
    while i < len(tokens) and ((tokens[i].cues and set(tokens[i].cues) <= {"neutral"}) or "range-of" in tokens[i].cues):
        i += 1
    if i >= len(tokens):
        return None
    end = NormalEnd.UPPER if "uln" in tokens[i].cues else NormalEnd.LOWER if "lln" in tokens[i].cues else None
    if end is None:
        return None
    i += 1
    while i < len(tokens) and "of-range" in tokens[i].cues:
        i += 1
    if factor is None and i + 1 < len(tokens) and tokens[i].stem in {"×", "*", "x"}:
        number = tokens[i + 1].number
        return (NormalLimit(end, number), i + 2) if number is not None and tokens[i + 1].kind is Tok.NUMBER else None
    if i + 1 < len(tokens) and tokens[i].stem == "+" and (plus := tokens[i + 1].quantity) is not None:
        return NormalLimit(end, factor or Decimal(1), plus), i + 2
    return NormalLimit(end, factor or Decimal(1)), i


def unit_of(catalogue: Catalogue, analyte: str) -> str:
    """The unit a bare number has: only where the analyte is counted in one unit everywhere, or in none; else ""."""
    entry = catalogue.analytes[analyte]
    only = entry.one_unit or entry.unit in {"1", "{INR}", "%"} or entry.unit.startswith("{")
    return entry.unit if only else ""
