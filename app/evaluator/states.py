"""States that no problem list tells: what nobody records when it is not there, and what a scale grades."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from app.criteria.nodes import Op, ScoreBound, Scored, Timing
from app.evaluator.findings import in_role
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis, Question, Role, Verdict

if TYPE_CHECKING:
    from app.criteria.nodes import HasCondition
    from app.evaluator.case import Case
    from app.evaluator.verdict import Evidence
    from app.knowledge.catalogue import Concept, Grading


def leave_open(node: HasCondition, concept: Concept, verdict: Verdict) -> Verdict:
    """No record of a sign (fever) is not its absence: only a record against it makes it false."""
    if verdict.holds is not Truth.FALSE or any(each.role is Role.CONTRADICTS for each in verdict.evidence):
        return verdict
    ever = node.when.timing is not Timing.CURRENT
    return Verdict(
        Truth.UNKNOWN, node, Basis.JUDGEMENT,
        f"{verdict.explanation} That nothing is recorded does not rule {concept.name} out.",
        evidence=verdict.evidence,
        questions=(Question(f"{'Has the patient had' if ever else 'Does the patient have'} {concept.name}?"),),
    )  # fmt: skip


def judge_graded(case: Case, node: HasCondition, grading: Grading, recorded: Verdict) -> Verdict:
    """By the latest value of the scale; a diagnosis says yes where no value is recorded, and never no.

    The latest value tells of the past what it implies: a former smoker has smoked, but not when.
    """
    by = _latest(case, node, grading)
    if recorded.holds is Truth.TRUE and by.holds is not Truth.TRUE:
        if by.holds is Truth.UNKNOWN and not by.evidence:
            return recorded
        return structs.replace(
            by, node=node, holds=Truth.UNKNOWN, basis=Basis.NONE,
            explanation=f"{by.explanation} {recorded.explanation}", because=(),
            evidence=_considered(case, *recorded.evidence, *by.evidence),
            questions=(Question(f"Which of these is right: {by.explanation} {recorded.explanation}"),),
        )  # fmt: skip
    return structs.replace(by, node=node, because=())


def _latest(case: Case, node: HasCondition, grading: Grading) -> Verdict:
    now = case.judge(_scored(grading.scale, grading.now))
    match node.when.timing:
        case Timing.CURRENT:
            return now
        case Timing.EVER:
            return case.judge(_scored(grading.scale, grading.ever))
        case Timing.WITHIN:
            ever = case.judge(_scored(grading.scale, grading.ever))
            if now.holds is Truth.TRUE or ever.holds is not Truth.TRUE:
                return now if now.holds is Truth.TRUE else ever
            return structs.replace(
                ever, holds=Truth.UNKNOWN, basis=Basis.JUDGEMENT, questions=(_since(node),),
                evidence=_considered(case, *ever.evidence),
            )  # fmt: skip


def _considered(case: Case, *evidence: Evidence) -> tuple[Evidence, ...]:
    return tuple(dict.fromkeys(in_role(case, each, Role.CONSIDERED) for each in evidence))


def _since(node: HasCondition) -> Question:
    window = node.when.duration.words() if node.when.duration is not None else ""
    return Question(f"Was it within the last {window}?")


def _scored(scale: str, ends: tuple[str | None, str | None]) -> Scored:
    low, high = ends
    bounds = [ScoreBound(Op.GE, low)] if low is not None else []
    if high is not None:
        bounds.append(ScoreBound(Op.LE, high))
    return Scored(scale, tuple(bounds))
