"""What a clause is cut into: words, numbers, comparators, durations, quantities, catalogue names, cues.

Offsets point into the registration's text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from app.criteria.nodes import Op, Quantity
    from app.criteria.time import Duration


class Tok(StrEnum):
    """Kinds of token."""

    WORD = "word"
    NUMBER = "number"
    COMPARATOR = "comparator"
    DURATION = "duration"
    QUANTITY = "quantity"
    NAME = "name"
    CUE = "cue"
    PUNCT = "punct"
    ROMAN = "roman"


class NameKind(StrEnum):
    """What a name in the text stands for."""

    CONDITION = "condition"
    TREATMENT = "treatment"
    ALLERGEN = "allergen"
    VACCINE = "vaccine"
    SITE = "site"
    ANALYTE = "analyte"
    SCALE = "scale"


@dataclass(frozen=True, slots=True)
class Name:
    """A catalogue entry that a name may mean."""

    kind: NameKind
    id: str


class Token(NamedTuple):
    """One token of a clause; `text[start:end]` of the registration. `stem` is what comparisons use.

    A tuple, because one is made of every word of every registration: a frozen class takes four times as long.
    """

    kind: Tok
    stem: str
    start: int
    end: int
    number: Decimal | None = None
    power: int = 0
    op: Op | None = None
    duration: Duration | None = None
    quantity: Quantity | None = None
    names: tuple[Name, ...] = ()
    cues: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


_NONE: Mapping[NameKind, str] = MappingProxyType({})


def names_of(token: Token, *kinds: NameKind) -> Mapping[NameKind, str]:
    """Kind → id for the kinds asked for."""
    if not token.names:
        return _NONE
    return {name.kind: name.id for name in token.names if name.kind in kinds}
