"""Words of degree: "severe", "active", "advanced", "high-dose" ... what coded data decide of them; the rest is for
people.

Nothing there: the statement is false, and nobody is asked. There: a coded severity, grade, status or metastasis
decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.criteria.nodes import HasCondition, Op, ScoreBound, Scored, Timing
from app.evaluator.facts import Activity
from app.evaluator.matching import has_code
from app.evaluator.truth import Truth
from app.evaluator.verdict import Evidence, Question, Role
from app.evaluator.wording import coded_text
from app.knowledge.catalogue import Modifier

if TYPE_CHECKING:
    from app.evaluator.case import Case
    from app.evaluator.facts import AllergyFact, ConditionFact
    from app.knowledge.catalogue import Catalogue, Concept

_METASTASIS = "metastasis"
_ACTIVE_WORDS = frozenset({"active", "measurable"})
_SEVERITY_WORDS = {
    "severe": frozenset({"severe"}),
    "serious": frozenset({"severe"}),
    "moderate or severe": frozenset({"moderate", "severe"}),
    "moderate to severe": frozenset({"moderate", "severe"}),
    "moderate": frozenset({"moderate"}),
    "moderate or greater": frozenset({"moderate", "severe"}),
    "moderate or greater amounts of": frozenset({"moderate", "severe"}),
}
_SPREAD_WORDS = frozenset(
    {"advanced", "metastatic", "advanced or metastatic", "locally advanced or metastatic", "recurrent or metastatic"}
)
_ALLERGY_WORDS = frozenset({"severe", "serious"})


class Degree(NamedTuple):
    """Whether the degree is reached, what was read for it, and what a person is asked where nothing coded tells."""

    holds: Truth
    evidence: tuple[Evidence, ...] = ()
    questions: tuple[Question, ...] = ()


def is_about_activity(degree: str | None) -> bool:
    """Asked of "active" and "measurable" disease: remission is not that."""
    return degree in _ACTIVE_WORDS


def degree_of_condition(case: Case, node: HasCondition, concept: Concept, fact: ConditionFact) -> Degree:
    """The degree of one recorded condition."""
    degree = node.degree or ""
    if degree == "active":
        return _activity(node, fact, concept)
    if degree == "in remission":
        return _remission(fact, concept)
    scaled = concept.scale_degrees.get(degree)
    if scaled is not None:
        scale, op, value = scaled
        verdict = case.judge(Scored(scale, (ScoreBound(Op(op), value),)))
        if verdict.holds is not Truth.UNKNOWN:
            return Degree(verdict.holds, verdict.evidence)
    wanted = _SEVERITY_WORDS.get(degree)
    recorded = _severity(fact, case.catalogue) if wanted else None
    if wanted and recorded is not None:
        shown = Evidence(fact.source.reference, Role.CONSIDERED, "Condition.severity", coded_text(fact.severity), "")
        return Degree(Truth.TRUE if recorded in wanted else Truth.FALSE, (shown,))
    if degree in _SPREAD_WORDS and concept.malignancy and _METASTASIS in case.catalogue.concepts:
        spread = case.judge(HasCondition(_METASTASIS))
        if spread.holds is Truth.TRUE:
            return Degree(Truth.TRUE, spread.evidence)
    return Degree(Truth.UNKNOWN, (), (ask_degree(concept.name, degree),))


def degree_of_allergy(degree: str, name: str, fact: AllergyFact) -> Degree:
    """The degree of one recorded allergy, by the severity of a reaction or the criticality."""
    if degree in _ALLERGY_WORDS:
        reference = fact.source.reference
        worst = _worst(fact.severities)
        if worst == "severe":
            return Degree(Truth.TRUE, (_read(reference, "AllergyIntolerance.reaction.severity", worst),))
        if fact.criticality == "high":
            return Degree(Truth.TRUE, (_read(reference, "AllergyIntolerance.criticality", "high"),))
        if fact.criticality == "low" and not any(each not in {"mild", "moderate"} for each in fact.severities):
            return Degree(Truth.FALSE, (_read(reference, "AllergyIntolerance.criticality", "low"),))
        if worst is not None and not fact.criticality:
            return Degree(Truth.FALSE, (_read(reference, "AllergyIntolerance.reaction.severity", worst),))
    return Degree(Truth.UNKNOWN, (), (Question(f"Is the allergy to {name} {degree}?"),))


def ask_degree(name: str, degree: str) -> Question:
    """What to ask a person."""
    return Question(f"Is the {name} {degree}?")


def _read(reference: str, path: str, value: str) -> Evidence:
    return Evidence(reference, Role.CONSIDERED, path, value, "")


def _worst(severities: tuple[str, ...]) -> str | None:
    for each in ("severe", "moderate", "mild"):
        if each in severities:
            return each
    return None


def _severity(fact: ConditionFact, catalogue: Catalogue) -> str | None:
    for each in (Modifier.SEVERE, Modifier.MODERATE, Modifier.MILD):
        if has_code(fact.severity, catalogue.modifiers[each]):
            return each.value
    return None


def _activity(node: HasCondition, fact: ConditionFact, concept: Concept) -> Degree:
    """Active now; where the question is about the past, that it was there is enough unless it was in remission."""
    match fact.activity:
        case Activity.ACTIVE:
            return Degree(Truth.TRUE)
        case Activity.RESOLVED:
            return Degree(Truth.FALSE if node.when.timing is Timing.CURRENT else Truth.TRUE)
        case Activity.INACTIVE:
            return Degree(Truth.FALSE) if node.when.timing is Timing.CURRENT else _ask_active(concept)
        case Activity.REMISSION:
            return Degree(Truth.FALSE) if node.when.timing is Timing.CURRENT else _ask_active(concept)
        case Activity.UNKNOWN:
            return _ask_active(concept)


def _remission(fact: ConditionFact, concept: Concept) -> Degree:
    """In remission: as Condition.clinicalStatus says; what is resolved or has no such status is for a person."""
    shown = Evidence(fact.source.reference, Role.CONSIDERED, "Condition.clinicalStatus", fact.activity.value, "")
    match fact.activity:
        case Activity.REMISSION:
            return Degree(Truth.TRUE, (shown,))
        case Activity.ACTIVE:
            return Degree(Truth.FALSE, (shown,))
        case Activity.RESOLVED | Activity.INACTIVE | Activity.UNKNOWN:
            return Degree(Truth.UNKNOWN, (), (ask_degree(concept.name, "in remission"),))


def _ask_active(concept: Concept) -> Degree:
    return Degree(Truth.UNKNOWN, (), (ask_degree(concept.name, "active"),))
