"""Ages: "18-75 years", "18 years or older", "under 6 months", "between the ages of 18 and 60"."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from app.criteria.nodes import AgeBound, Op
from app.criteria.time import Duration, TimeUnit
from app.reader.measures import comparator, skip_fillers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.reader.tokens import Token

_RANGES = frozenset({"-", "to", "~", "through", "thru"})
_JOINERS = frozenset({"and", "or", "but", ","})
_LOWER = frozenset({Op.GE, Op.GT})
_OLD = frozenset({"older", "younger"})


@dataclass(frozen=True, slots=True)
class Ages:
    """Bounds on an age, and the index after them.

    `either`: one of two holds ("< 18 or > 75"). `said`: the words themselves say that it is an age ("years old").
    """

    bounds: tuple[AgeBound, ...]
    stop: int
    either: bool = False
    said: bool = False


def read_ages(tokens: Sequence[Token], i: int) -> Ages | None:
    """An age or ages at `i`; a bare number is in years."""
    begin = i = _past_words(tokens, i)
    between = i < len(tokens) and "between" in tokens[i].cues
    if between:
        i = _past_words(tokens, i + 1)
    read = _range(tokens, i, between=between) or _compared(tokens, i) or _trailing(tokens, i)
    if read is None:
        return None
    stop, said = _past_old(tokens, read.stop)
    said = said or any(_says_age(token) or not _OLD.isdisjoint(token.stem.split()) for token in tokens[begin:stop])
    return Ages(read.bounds, stop, read.either, said)


def _says_age(token: Token) -> bool:
    if {"or-more", "or-less"} & set(token.cues):
        return False
    return "age" in token.cues or token.stem == "old" or not _OLD.isdisjoint(token.stem.split())


def _past_words(tokens: Sequence[Token], i: int) -> int:
    """Past "range", "limit", "the ages of", "of"."""
    while True:
        after = skip_fillers(tokens, i)
        if after < len(tokens) and ("age" in tokens[after].cues or "age-word" in tokens[after].cues):
            after += 1
        if after == i:
            return i
        i = after


def _past_old(tokens: Sequence[Token], i: int) -> tuple[int, bool]:
    """Past "old", "of age", ", inclusive", and whether one of the first two stood there."""
    said = False
    while i < len(tokens):
        token = tokens[i]
        comma = token.stem == "," and i + 1 < len(tokens) and "inclusive" in tokens[i + 1].cues
        bracket = token.stem == "(" and i + 2 < len(tokens) and tokens[i + 2].stem == ")"
        if bracket and "inclusive" in tokens[i + 1].cues:
            i += 3
            continue
        of_age = token.stem == "of" and i + 1 < len(tokens) and "age" in tokens[i + 1].cues
        if not (_says_age(token) or of_age or comma or "inclusive" in token.cues):
            break
        said = said or _says_age(token)
        i += 1
    return i, said


def _range(tokens: Sequence[Token], i: int, *, between: bool) -> Ages | None:
    low = _age(tokens, i)
    if low is None:
        return None
    joiner = _past_old(tokens, low[1])[0] if between else low[1]
    if joiner >= len(tokens) or not (tokens[joiner].stem in _RANGES or (between and tokens[joiner].stem == "and")):
        return None
    at = joiner + 1
    # "18 to ≤ 65", "from 18 up to 65 years": the upper end may carry its own comparator.
    compared = comparator(tokens, at)
    if compared is not None and compared[0] in {Op.LE, Op.LT}:
        at = compared[1]
    high = _age(tokens, at)
    if high is None:
        return None
    unit = high[0].unit
    first = Duration(low[0].count, unit) if tokens[i].duration is None else low[0]
    if first.unit is unit and first.count > high[0].count:
        return None
    upper = compared[0] if compared is not None else Op.LE
    return Ages((AgeBound(Op.GE, first), AgeBound(upper, high[0])), high[1])


def _compared(tokens: Sequence[Token], i: int) -> Ages | None:
    """Reads "≥ 18", "≥ 18 and ≤ 75 years", "< 18 or > 75 years"."""
    compared = comparator(tokens, i)
    age = _age(tokens, _past_words(tokens, compared[1])) if compared else None
    if compared is None or age is None:
        return None
    first, at = AgeBound(compared[0], age[0]), _past_old(tokens, age[1])[0]
    joiners: list[str] = []
    while at < len(tokens) and tokens[at].stem in _JOINERS and len(joiners) < 2:
        joiners.append(tokens[at].stem)
        at += 1
    again = comparator(tokens, at) if joiners else None
    second = _age(tokens, _past_words(tokens, again[1])) if again else None
    if again is None or second is None or (again[0] in _LOWER) is (first.op in _LOWER):
        return Ages((first,), age[1])
    bound = AgeBound(again[0], second[0])
    if tokens[age[1] - 1].duration is None and second[0].unit is not first.age.unit:
        first = AgeBound(first.op, Duration(first.age.count, second[0].unit))
    low, high = (first, bound) if first.op in _LOWER else (bound, first)
    if low.age.unit is not high.age.unit:
        return Ages((first, bound), second[1]) if low is first and "or" not in joiners else None
    holds = low.age.count <= high.age.count
    if holds and "or" in joiners:
        return None
    return Ages((first, bound), second[1], either=not holds)


def _trailing(tokens: Sequence[Token], i: int) -> Ages | None:
    """Reads "18 years or older", "65 and under", "18+ years"."""
    age = _age(tokens, i)
    if age is None:
        return None
    if i + 1 < len(tokens) and tokens[i + 1].stem == "+":
        return Ages((AgeBound(Op.GE, age[0]),), max(age[1], i + 2))
    after = _past_old(tokens, age[1])[0]
    after = skip_fillers(tokens, after)
    while after < len(tokens) and tokens[after].stem == ",":
        after += 1
    if after < len(tokens) and "or-more" in tokens[after].cues:
        return Ages((AgeBound(Op.GE, age[0]),), after + 1)
    if after < len(tokens) and "or-less" in tokens[after].cues:
        return Ages((AgeBound(Op.LE, age[0]),), after + 1)
    return None


def _age(tokens: Sequence[Token], i: int) -> tuple[Duration, int] | None:
    """One age: "18 years", "18", "18+ years"."""
    if i >= len(tokens):
        return None
    token = tokens[i]
    if token.duration is not None:
        return token.duration, i + 1
    number = token.number
    if number is None or token.quantity is not None or token.power or number.adjusted() > 3:
        return None
    if [each.stem for each in tokens[i + 1 : i + 3]] in (["+", "year"], ["+", "yr"]):
        return Duration(number, TimeUnit.YEAR), i + 3
    return Duration(number, TimeUnit.YEAR), i + 1


def is_plausible(ages: Ages) -> bool:
    """Nobody is asked to be 2000 years old."""
    return all(bound.age.unit is not TimeUnit.YEAR or bound.age.count <= Decimal(130) for bound in ages.bounds)
