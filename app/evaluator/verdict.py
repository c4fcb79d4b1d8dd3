"""A verdict and what it rests on: truth, basis, evidence, what is missing, what to ask, and the verdicts of its
parts.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from app.criteria.nodes import AtLeast, If, Not, Preference
from app.evaluator.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from app.criteria.nodes import Criterion
    from app.evaluator.facts import Coding
    from app.knowledge.catalogue import Family


class Basis(StrEnum):
    """Why a verdict is what it is (semantics, section 1)."""

    EVIDENCE = "evidence"
    ABSENCE = "absence"
    NOT_APPLICABLE = "not-applicable"
    JUDGEMENT = "judgement"
    NONE = "none"  # nothing decided it


class Role(StrEnum):
    """How a piece of evidence bears on the statement."""

    SUPPORTS = "supports"
    CONTRADICTS = "contradicts"
    CONSIDERED = "considered"


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """One element that was read: where, what it said (source unit first), when, and under which code."""

    reference: str
    role: Role
    path: str
    value: str
    effective: str
    code: Coding | None = None
    stale: bool = False


def distinct(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Each once, in the order they first came.

    Told apart by what they read and said: hashing whole elements costs more than judging them.
    """
    elements = tuple(evidence)
    if len(elements) <= 1:
        return elements
    seen: dict[tuple[str, str, str], Evidence] = {}
    for each in elements:
        first = seen.setdefault((each.reference, each.path, each.value), each)
        if first is not each and first != each:
            return tuple(dict.fromkeys(elements))
    return elements if len(seen) == len(elements) else tuple(seen.values())


class Missing(msgspec.Struct, frozen=True, gc=False):
    """A datum that would settle it: resource type, what, and the ISO 8601 window it must fall in ("" where none)."""

    type: str
    text: str
    code: Coding | None = None
    window: str = ""


class Question(msgspec.Struct, frozen=True, gc=False):
    """What only a person can answer; the linkId is given when the report is written."""

    text: str


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The verdict on one node. `explanation` is plain sentences ("" for logic: the report draws it from the parts).

    `turns_on` is the first day on which `holds` would turn over if nothing new happened, None where it would not.
    `searched` are the families that were looked through in vain; how many records that were, the chart knows.
    """

    holds: Truth
    node: Criterion
    basis: Basis
    explanation: str
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[Missing, ...] = ()
    questions: tuple[Question, ...] = ()
    turns_on: date | None = None
    because: tuple[Verdict, ...] = ()
    searched: tuple[Family, ...] = ()

    def deciding(self) -> tuple[Verdict, ...]:
        """The parts that, taken alone under the same node, would have given the same answer."""
        return deciding_of(self.node, self.holds, self.because)


def deciding_of(node: Criterion, holds: Truth, because: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    """The parts that, taken alone under that node, give that answer."""
    match node:
        case Not():
            return because
        case If():
            return _deciding_branches(because)
        case AtLeast() if holds is Truth.UNKNOWN:
            return tuple([each for each in because if each.holds is not Truth.FALSE])
        case _:
            return tuple([each for each in because if each.holds is holds and not isinstance(each.node, Preference)])


def _deciding_branches(because: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    """The condition and the branch that it picked; where it is open, all of them."""
    condition, *branches = because
    match condition.holds:
        case Truth.TRUE:
            return (condition, branches[0])
        case Truth.FALSE:
            return (condition, *branches[1:])
        case _:
            return because
