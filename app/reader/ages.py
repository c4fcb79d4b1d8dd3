"""Ages: "18-75 years", "18 years or older", "under 6 months", "at least 18" after an age word."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from app.criteria.nodes import AgeBound, Op
from app.criteria.time import Duration, TimeUnit
from app.reader.measures import comparator, skip_fillers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.reader.tokens import Token


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
