"""What one record says to a question, and how the records come to a verdict together."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from app.evaluator.case import not_shown
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis, Evidence, Missing, Question, Role, Verdict
from app.evaluator.wording import sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from app.criteria.nodes import Criterion
    from app.evaluator.case import Case
    from app.knowledge.catalogue import Family

T = TypeVar("T")


class Finding(msgspec.Struct, gc=False):
    """One record's answer: whether it makes the statement true, what it shows, and what it leaves open.

    `text` says why in a clause ("prednisone from 2026-09-01"). `leaves` is the day on which it stops making the
    statement true by itself. A false finding is `refuting` where the record speaks against the statement, not merely
    beside it.
    """

    holds: Truth
    text: str
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[Missing, ...] = ()
    questions: tuple[Question, ...] = ()
    leaves: date | None = None
    refuting: bool = False

    def require(self, holds: Truth, missing: Iterable[Missing] = (), questions: Iterable[Question] = ()) -> None:
        """Something else must hold of the record too; what would settle it is kept only while it is open."""
        if holds is Truth.FALSE or self.holds is Truth.FALSE:
            self.holds = Truth.FALSE
            self.missing = ()
            self.questions = ()
        elif holds is Truth.UNKNOWN:
            self.holds = Truth.UNKNOWN
            self.missing = (*self.missing, *missing)
            self.questions = (*self.questions, *questions)

    def asking(self, questions: tuple[Question, ...]) -> Finding:
        """The same, left open until a person has answered these, too."""
        found = self.copy()
        found.require(Truth.UNKNOWN, (), questions)
        return found

    def copy(self) -> Finding:
        """One that may be changed."""
        return Finding(
            self.holds, self.text, self.evidence, self.missing, self.questions, self.leaves, self.refuting
        )  # fmt: skip


def weigh(case: Case, node: Criterion, name: str, families: tuple[Family, ...], findings: Sequence[Finding]) -> Verdict:
    """True by one record; failing that, open by one; false only where every family that could tell is shown."""
    true = [each for each in findings if each.holds is Truth.TRUE]
    if true:
        days = [each.leaves for each in true]
        turns = None
        if all(day is not None for day in days) and not any(each.holds is Truth.UNKNOWN for each in findings):
            turns = max(day for day in days if day is not None)
        return Verdict(
            Truth.TRUE,
            node,
            Basis.EVIDENCE,
            said(true),
            evidence=cited(case, true, Role.SUPPORTS),
            turns_on=turns if not case.hidden(families) else None,
        )
    open_ = [each for each in findings if each.holds is Truth.UNKNOWN]
    hidden = case.hidden(families)
    if open_:
        text, evidence, missing, questions = _left_open(case, findings, open_)
        if hidden and not _only_asks(open_):
            missing += tuple(not_shown(each, name) for each in hidden)
        basis = Basis.JUDGEMENT if questions and not missing else Basis.NONE
        return Verdict(Truth.UNKNOWN, node, basis, text, evidence, missing, questions)
    if not findings:
        return case.nothing(node, name, families)
    against = any(each.refuting for each in findings)
    if hidden:
        return Verdict(
            Truth.UNKNOWN,
            node,
            Basis.NONE,
            f"{said(findings)} Whether there is other {name} was not shown.",
            evidence=cited(case, findings, Role.CONTRADICTS if against else Role.CONSIDERED),
            missing=tuple(not_shown(each, name) for each in hidden),
        )
    return Verdict(
        Truth.FALSE,
        node,
        Basis.EVIDENCE,
        said(findings),
        evidence=cited(case, findings, Role.CONTRADICTS if against else Role.CONSIDERED),
        searched=families,
    )


_Open = tuple[str, tuple[Evidence, ...], tuple[Missing, ...], tuple[Question, ...]]


def _left_open(case: Case, findings: Sequence[Finding], open_: Sequence[Finding]) -> _Open:
    """What the open ones say, cite, miss and ask: worked out once for a tuple, which several questions share."""
    key = ("open", id(findings))
    known: tuple[_Open, object] | None = case.memo.get(key) if isinstance(findings, tuple) else None
    if known is not None:
        return known[0]
    missing = once([each for finding in open_ for each in finding.missing])
    questions = once([each for finding in open_ for each in finding.questions])
    found = (said(open_), cited(case, open_, Role.CONSIDERED), missing, questions)
    if isinstance(findings, tuple):
        case.memo[key] = (found, findings)  # with the findings, so that their id stays their own
    return found


def _only_asks(findings: Sequence[Finding]) -> bool:
    """Something is there and only a person can tell of what kind: more records would not settle it."""
    return any(each.questions and not each.missing for each in findings)


def cited(case: Case, findings: Sequence[Finding], role: Role) -> tuple[Evidence, ...]:
    """The evidence of all of them, each element once; the role is theirs unless the record speaks against by itself."""
    if len(findings) == 1 and len(findings[0].evidence) == 1:
        only = findings[0].evidence[0]
        return (only if only.role is Role.CONTRADICTS else in_role(case, only, role),)
    seen: dict[tuple[str, str, str], Evidence] = {}
    for finding in findings:
        for each in finding.evidence:
            key = (each.reference, each.path, each.value)
            if key not in seen:
                seen[key] = each if each.role is Role.CONTRADICTS else in_role(case, each, role)
    return tuple(seen.values())


def in_role(case: Case, each: Evidence, role: Role) -> Evidence:
    """The same element in that role, made once for all who cite it."""
    if each.role is role:
        return each
    key = (id(each), role._value_)
    found: tuple[Evidence, Evidence] | None = case.memo.get(key)
    if found is None:
        made = Evidence(each.reference, role, each.path, each.value, each.effective, each.code, each.stale)
        # The element is kept with what was made of it, so that its id stays its own.
        found = case.memo[key] = (each, made)
    return found[1]


def said(findings: Sequence[Finding], most: int = 4) -> str:
    """One sentence that names the records."""
    if len(findings) == 1:
        return sentence(findings[0].text.rstrip("."))
    texts = tuple(dict.fromkeys([each.text.rstrip(".") for each in findings]))
    if len(texts) > most:
        texts = (*texts[:most], f"{len(texts) - most} more")
    return sentence("; ".join(texts))


def once(items: Iterable[T]) -> tuple[T, ...]:
    """Each once, in the order they first came."""
    return tuple(dict.fromkeys(items))
