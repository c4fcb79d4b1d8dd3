"""Logic over verdicts: every part is judged, even where one has settled the answer, because a person needs all
reasons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, assert_never

from app.criteria.nodes import AllOf, AnyOf, AtLeast, If, Not, Preference
from app.evaluator.truth import Truth, all_of, any_of, at_least, negate
from app.evaluator.verdict import Basis, Role, Verdict, deciding_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from app.evaluator.case import Case
    from app.evaluator.verdict import Evidence

T = TypeVar("T")
_ORDER = (Basis.EVIDENCE, Basis.ABSENCE, Basis.NOT_APPLICABLE, Basis.JUDGEMENT)


def judge_logic(case: Case, node: AllOf | AnyOf | AtLeast | Not) -> Verdict:
    """AllOf, AnyOf, AtLeast and Not over the verdicts of their parts."""
    parts = (node.part,) if isinstance(node, Not) else node.parts
    judge = case.judge
    because = tuple([judge(each) for each in parts])
    if case.memory.is_shared(because):
        return case.memory.shared((id(node), *map(id, because)), lambda: _combined(node, because))
    return _combined(node, because)


def combined(node: AllOf | AnyOf | AtLeast | Not | If, because: tuple[Verdict, ...]) -> Verdict:
    """The verdict on a node of logic whose parts have these verdicts."""
    if isinstance(node, If):
        return _picked(node, because[0], because[1], because[2] if len(because) > 2 else None)
    return _combined(node, because)


def _combined(node: AllOf | AnyOf | AtLeast | Not, because: tuple[Verdict, ...]) -> Verdict:
    binding = tuple([each for each in because if not isinstance(each.node, Preference)])
    match node:
        case AllOf():
            holds = all_of([each.holds for each in binding])
        case AnyOf():
            holds = any_of([each.holds for each in binding])
        case AtLeast(count=count):
            holds = at_least(count, (each.holds for each in binding))
        case Not():
            holds = negate(because[0].holds)
        case _:
            assert_never(node)
    return _verdict(holds, node, because, _turns(node, holds, binding))


def judge_if(case: Case, node: If) -> Verdict:
    """The branch that the condition picks; where it is open, what both branches agree on. No branch: not applicable."""
    condition, then = case.judge(node.condition), case.judge(node.then)
    otherwise = case.judge(node.otherwise) if node.otherwise is not None else None
    because = (condition, then) if otherwise is None else (condition, then, otherwise)
    if case.memory.is_shared(because):
        return case.memory.shared((id(node), *map(id, because)), lambda: _picked(node, condition, then, otherwise))
    return _picked(node, condition, then, otherwise)


def _picked(node: If, condition: Verdict, then: Verdict, otherwise: Verdict | None) -> Verdict:
    because = (condition, then) if otherwise is None else (condition, then, otherwise)
    other = otherwise.holds if otherwise is not None else Truth.TRUE
    match condition.holds:
        case Truth.TRUE:
            turns = then.turns_on if condition.turns_on is None else None
            return _verdict(then.holds, node, because, turns, asks=(then,))
        case Truth.FALSE if otherwise is None:
            found = _verdict(Truth.TRUE, node, because, None)
            return Verdict(
                Truth.TRUE, node, Basis.NOT_APPLICABLE, "", found.evidence, because=because, searched=found.searched
            )
        case Truth.FALSE:
            turns = otherwise.turns_on if otherwise is not None and condition.turns_on is None else None
            return _verdict(other, node, because, turns, asks=(otherwise,) if otherwise is not None else ())
        case _:
            return _verdict(then.holds if then.holds is other else Truth.UNKNOWN, node, because, None)


def _verdict(
    holds: Truth,
    node: AllOf | AnyOf | AtLeast | Not | If,
    because: tuple[Verdict, ...],
    turns: date | None,
    *,
    asks: tuple[Verdict, ...] | None = None,
) -> Verdict:
    """What a verdict of logic rests on: the deciding parts where it is definite, the open ones where it is not.

    `asks` are those of the parts that can still settle it (the branch that applies), if not all.
    """
    if holds is Truth.UNKNOWN:
        open_ = [
            each
            for each in (because if asks is None else asks)
            if each.holds is holds and not isinstance(each.node, Preference)
        ]
        missing = _union([each.missing for each in open_])
        questions = _union([each.questions for each in open_])
        basis = Basis.JUDGEMENT if questions and not missing else Basis.NONE
        evidence = _evidence(because)
        return Verdict(holds, node, basis, "", evidence, missing, questions, None, because)
    parts = deciding_of(node, holds, because) or because
    return Verdict(
        holds,
        node,
        _basis(parts),
        "",
        _evidence(parts),
        (),
        (),
        turns,
        because,
        _union([each.searched for each in parts]),
    )


def _basis(parts: tuple[Verdict, ...]) -> Basis:
    """The firmest of the parts' bases."""
    first = parts[0].basis if parts else Basis.NONE
    if first is Basis.EVIDENCE or all(each.basis is first for each in parts):
        return first
    return next((each for each in _ORDER if any(part.basis is each for part in parts)), Basis.NONE)


def _union(items: list[tuple[T, ...]]) -> tuple[T, ...]:
    """Each once, in the order they first came; nothing is built where at most one has any."""
    full = [each for each in items if each]
    if not full:
        return ()
    if len(full) == 1:
        return full[0]
    return tuple(dict.fromkeys([one for each in full for one in each]))


def _evidence(parts: Iterable[Verdict]) -> tuple[Evidence, ...]:
    """The evidence of all parts, each element once. By hand, because hashing whole records costs more than judging."""
    full = [each.evidence for each in parts if each.evidence]
    if not full:
        return ()
    if len(full) == 1:
        return full[0]
    seen: dict[tuple[str, str, str, bool, bool], Evidence] = {}
    for evidence in full:
        for each in evidence:
            role = each.role
            key = (each.reference, each.path, each.value, role is Role.SUPPORTS, role is Role.CONTRADICTS)
            if key not in seen:
                seen[key] = each
    return tuple(seen.values())


def _turns(node: AllOf | AnyOf | AtLeast | Not, holds: Truth, parts: tuple[Verdict, ...]) -> date | None:
    """The first day on which waiting alone turns the answer over; None where an open part could still do otherwise."""
    match node:
        case Not():
            return parts[0].turns_on if parts else None
        case AtLeast():
            return None
        case AllOf() | AnyOf():
            return _turns_joined(holds, parts, Truth.TRUE if isinstance(node, AllOf) else Truth.FALSE)


def _turns_joined(holds: Truth, parts: tuple[Verdict, ...], first: Truth) -> date | None:
    # AllOf false and AnyOf true turn when the last of the parts that make them so has turned, and no other turned
    # before;
    # AllOf true and AnyOf false turn with the first.
    if holds is Truth.UNKNOWN:
        return None
    if holds is first:
        return min((each.turns_on for each in parts if each.turns_on is not None), default=None)
    if any(each.holds is Truth.UNKNOWN for each in parts):
        return None
    days = [each.turns_on for each in parts if each.holds is holds]
    if not days or any(day is None for day in days):
        return None
    last = max(day for day in days if day is not None)
    turning = [each.turns_on for each in parts if each.holds is not holds and each.turns_on is not None]
    return None if any(day <= last for day in turning) else last
