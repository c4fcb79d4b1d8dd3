"""Kleene's strong three-valued logic."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Truth(Enum):
    """True, false, or not known. It refuses to be coerced: compare it with `is`."""

    TRUE = True
    FALSE = False
    UNKNOWN = None

    __hash__ = object.__hash__  # each is one object; the hash of an enumeration goes by its name, in Python

    def __bool__(self) -> bool:
        msg = "A Truth has three values: compare it with `is`."
        raise TypeError(msg)


_NEGATION = {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE, Truth.UNKNOWN: Truth.UNKNOWN}


def negate(holds: Truth) -> Truth:
    """Not true = false, not false = true, not unknown = unknown."""
    if holds is Truth.TRUE:
        return Truth.FALSE
    return Truth.TRUE if holds is Truth.FALSE else Truth.UNKNOWN


def all_of(holds: Iterable[Truth]) -> Truth:
    """One false decides; failing that, one unknown leaves it unknown."""
    found = Truth.TRUE
    for each in holds:
        if each is Truth.FALSE:
            return Truth.FALSE
        if each is Truth.UNKNOWN:
            found = Truth.UNKNOWN
    return found


def any_of(holds: Iterable[Truth]) -> Truth:
    """`all_of` in the mirror of `negate`."""
    found = Truth.FALSE
    for each in holds:
        if each is Truth.TRUE:
            return Truth.TRUE
        if each is Truth.UNKNOWN:
            found = Truth.UNKNOWN
    return found


def at_least(count: int, holds: Iterable[Truth]) -> Truth:
    """True once `count` are true, false once too few can still be."""
    seen = list(holds)
    true = sum(each is Truth.TRUE for each in seen)
    possible = true + sum(each is Truth.UNKNOWN for each in seen)
    if true >= count:
        return Truth.TRUE
    return Truth.UNKNOWN if possible >= count else Truth.FALSE
