"""Allergies and intolerances to a kind of substance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.criteria.nodes import HasAllergy
from app.evaluator.degrees import degree_of_allergy
from app.evaluator.facts import Activity, Certainty, Match
from app.evaluator.findings import Finding, weigh
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis, Evidence, Missing, Question, Role, Verdict
from app.evaluator.wording import coded_text, first_coding
from app.knowledge.catalogue import Family

if TYPE_CHECKING:
    from app.evaluator.case import Case
    from app.evaluator.facts import AllergyFact, Hit

_FAMILIES = (Family.ALLERGY,)


def judge_allergy(case: Case, node: HasAllergy) -> Verdict:
    """The verdict on a HasAllergy."""
    concept = case.catalogue.concepts.get(node.concept)
    if concept is None:
        return Verdict(
            Truth.UNKNOWN, node, Basis.NONE, f"{node.concept} is not in the catalogue.",
            questions=(Question(f"Is the patient allergic to {node.concept.replace('-', ' ')}?"),),
        )  # fmt: skip
    name = f"allergy to {concept.name}"
    findings = [_finding(node, concept.name, each) for each in case.chart.allergies(node.concept)]
    return weigh(case, node, name, _FAMILIES, [each for each in findings if each is not None])


def _finding(node: HasAllergy, asked: str, hit: Hit[AllergyFact]) -> Finding | None:
    fact = hit.fact
    name = coded_text(fact.code) or coded_text(next(iter(fact.reaction_substances), fact.code)) or asked
    is_it = hit.match is Match.IS
    if fact.certainty is Certainty.REFUTED:
        if not is_it:
            return None
        shown = _shown(hit, name, Role.CONTRADICTS)
        return Finding(Truth.FALSE, f"allergy to {name} was refuted", (shown,), refuting=True)
    if fact.activity in {Activity.RESOLVED, Activity.INACTIVE}:
        if not is_it:
            return None
        return Finding(Truth.FALSE, f"allergy to {name} is {fact.activity}", (_shown(hit, name, Role.CONSIDERED),))
    finding = Finding(Truth.TRUE, f"allergy to {name} is recorded", (_shown(hit, name, Role.CONSIDERED),))
    if fact.activity is Activity.UNKNOWN:
        finding.require(Truth.UNKNOWN, (Missing("AllergyIntolerance", f"clinical status of the allergy to {name}"),))
    if not is_it:
        text = f"whether “{name}” is {asked}: a more specific code"
        finding.require(Truth.UNKNOWN, (Missing("AllergyIntolerance", text, hit.coding),))
    if fact.certainty is Certainty.SUSPECTED:
        text = f"confirmation or refutation of the allergy to {name}"
        finding.require(Truth.UNKNOWN, (Missing("AllergyIntolerance", text, hit.coding),))
    if node.degree is not None:
        degree = degree_of_allergy(node.degree, name, fact)
        finding.evidence = (*finding.evidence, *degree.evidence)
        finding.require(degree.holds, (), degree.questions)
        if degree.holds is Truth.FALSE:
            finding.text = f"{finding.text}, not {node.degree}"
    return finding


def _shown(hit: Hit[AllergyFact], name: str, role: Role) -> Evidence:
    fact = hit.fact
    return Evidence(
        fact.source.reference, role, "AllergyIntolerance.code", name, "", first_coding(fact.code, hit.coding)
    )
