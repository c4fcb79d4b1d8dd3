"""Exceptions on the instance: whether a recorded condition or treatment is the kind that does not count."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.criteria.nodes import State
from app.evaluator.facts import Activity, ConditionFact, Match, TreatmentFact
from app.evaluator.truth import Truth, all_of, negate
from app.evaluator.verdict import Evidence, Missing, Question
from app.evaluator.wording import coded_text
from app.knowledge.catalogue import Family

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.criteria.nodes import Except
    from app.evaluator.case import Case
    from app.evaluator.findings import Finding

_TREATMENTS = (Family.PROCEDURE, Family.MEDICATION, Family.IMMUNIZATION)


class Cover(NamedTuple):
    """Whether the exception covers the instance, what would tell where that is open, and what else was looked at."""

    holds: Truth
    missing: tuple[Missing, ...] = ()
    questions: tuple[Question, ...] = ()
    evidence: tuple[Evidence, ...] = ()


def leave_out(case: Case, exceptions: Iterable[Except], fact: ConditionFact | TreatmentFact, finding: Finding) -> None:
    """What an exception covers does not make the statement true."""
    for each in exceptions:
        cover = covered(case, each, fact)
        finding.evidence = (*finding.evidence, *cover.evidence)
        finding.require(negate(cover.holds), cover.missing, cover.questions)
        if cover.holds is Truth.TRUE:
            finding.text = f"{finding.text}, which is an exception"


def covered(case: Case, exception: Except, fact: ConditionFact | TreatmentFact) -> Cover:
    """Its code is the exception's, its state is as demanded, and what must hold besides does."""
    kind = _is_kind(case, exception, fact)
    if kind.holds is Truth.FALSE:
        return kind
    state = _state(case, exception, fact)
    parts = [kind, state]
    evidence: tuple[Evidence, ...] = ()
    if exception.only is not None:
        only = case.judge(exception.only)
        evidence = only.evidence
        parts.append(Cover(only.holds, only.missing, only.questions))
    holds = all_of(each.holds for each in parts)
    if holds is not Truth.UNKNOWN:
        return Cover(holds, evidence=evidence)
    open_ = [each for each in parts if each.holds is Truth.UNKNOWN]
    return Cover(
        holds,
        tuple(dict.fromkeys(one for each in open_ for one in each.missing)),
        tuple(dict.fromkeys(one for each in open_ for one in each.questions)),
        evidence,
    )


def _is_kind(case: Case, exception: Except, fact: ConditionFact | TreatmentFact) -> Cover:
    match = _matches(case, exception.concept, is_condition=isinstance(fact, ConditionFact)).get(fact.source.reference)
    if match is Match.IS:
        return Cover(Truth.TRUE)
    if match is None:
        return Cover(Truth.FALSE)
    concept = case.catalogue.concepts.get(exception.concept)
    asked = concept.name if concept is not None else exception.concept
    return Cover(
        Truth.UNKNOWN,
        (Missing(fact.source.type, f"whether “{coded_text(fact.code)}” is {asked}: a more specific code"),),
    )


def _matches(case: Case, concept: str, *, is_condition: bool) -> dict[str, Match]:
    """How the records that bear on a concept do, by reference: looked up once for all the records an exception is held
    against.
    """
    key = ("matches", concept, is_condition)
    found: dict[str, Match] | None = case.memo.get(key)
    if found is None:
        chart = case.chart
        hits = chart.conditions(concept) if is_condition else chart.treatments(concept, _TREATMENTS)
        found = case.memo[key] = {each.fact.source.reference: each.match for each in hits}
    return found


def _state(case: Case, exception: Except, fact: ConditionFact | TreatmentFact) -> Cover:
    if exception.state is State.ANY:
        return Cover(Truth.TRUE)
    name = coded_text(fact.code)
    ask = Question(f"Is the {name} {exception.state}?")
    if isinstance(fact, TreatmentFact):
        return Cover(Truth.UNKNOWN, (), (ask,))
    match exception.state, _is_over(case, fact):
        case _, Truth.TRUE:
            return Cover(Truth.TRUE)
        case State.CURED, Truth.FALSE:
            return Cover(Truth.FALSE)
        case State.CURED, _:
            return Cover(Truth.UNKNOWN, (Missing("Condition", f"whether {name} is cured: abatement or status"),))
        case _:
            return Cover(Truth.UNKNOWN, (), (ask,))


def _is_over(case: Case, fact: ConditionFact) -> Truth:
    """Resolved or abated; remission and mere inactivity leave it open."""
    abated = fact.abatement is not None and fact.abatement.latest is not None and fact.abatement.latest <= case.as_of
    match fact.activity:
        case Activity.RESOLVED:
            return Truth.TRUE
        case Activity.ACTIVE:
            return Truth.UNKNOWN if abated else Truth.FALSE
        case _:
            return Truth.TRUE if abated and fact.activity is not Activity.REMISSION else Truth.UNKNOWN
