"""Allergies and intolerances to a kind of substance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.criteria.nodes import HasAllergy
from app.evaluator.degrees import degree_of_allergy
from app.evaluator.facts import Activity, Certainty, Hit, Match
from app.evaluator.findings import Finding, weigh
from app.evaluator.matching import any_is
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis, Evidence, Missing, Question, Role, Verdict
from app.evaluator.wording import coded_text, first_coding
from app.knowledge.catalogue import Family, Kind, System

if TYPE_CHECKING:
    from app.evaluator.case import Case
    from app.evaluator.facts import AllergyFact, Coded, ConditionFact
    from app.knowledge.catalogue import Catalogue, Concept

ANY_ALLERGY = "any-allergy"
_ANY_DRUG = "drug-allergy"
_DRUG_SYSTEMS = frozenset({System.RXNORM, System.ATC})
_NONE_KNOWN = "no-known-allergy"
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
    drug = concept.kind is not Kind.ALLERGEN
    hits = _drug_hits(case, concept) if drug else _hits(case, node.concept)
    findings = [_finding(node, concept.name, each) for each in hits]
    spoken = case.chart.conditions(_ANY_DRUG if drug else node.concept)
    findings += [
        _hint(concept.name, each) for each in spoken if not drug or _may_be(case.catalogue, concept, each.fact.code)
    ]
    return weigh(case, node, name, _FAMILIES, [each for each in findings if each is not None])


def _hits(case: Case, concept: str) -> list[Hit[AllergyFact]]:
    """What bears on the substance. For an allergy to anything, every record whose code is of a system that the
    catalogue has is one, unless it says that there is none.
    """
    hits = {each.fact.source.reference: each for each in case.chart.allergies(concept)}
    if concept == ANY_ALLERGY:
        systems = {each.value for each in System}
        for fact in case.chart.all_allergies():
            coding = next((each for each in fact.code.codings if each.code and each.system in systems), None)
            if coding is not None and any_is((fact.code,), (_NONE_KNOWN,), case.catalogue) is not Truth.TRUE:
                hits[fact.source.reference] = Hit(fact, Match.IS, coding)
    return [hits[each] for each in sorted(hits)]


def _drug_hits(case: Case, drug: Concept) -> list[Hit[AllergyFact]]:
    """What bears on one drug, or a class of them, that no concept of allergies is for.

    A record of an allergy to a class ("allergy to penicillin", "allergy to drug") may be one to each of its drugs.
    """
    hits = {each.fact.source.reference: each for each in case.chart.allergies(drug.id)}
    for fact in case.chart.all_allergies():
        if fact.source.reference not in hits and _may_be(case.catalogue, drug, fact.code):
            coding = next((each for each in fact.code.codings if each.code), None)
            hits[fact.source.reference] = Hit(fact, Match.VAGUE, coding)
    return [hits[each] for each in sorted(hits)]


def _may_be(catalogue: Catalogue, drug: Concept, coded: Coded) -> bool:
    """Whether what is recorded may be this drug: it is of a class that has the drug, and of none that has it not."""
    index = catalogue.index
    held = frozenset({drug.id, _ANY_DRUG, ANY_ALLERGY}).union(
        *(index.place(each.system, each.code).concepts for each in drug.codes)
    )
    placed = [index.place(each.system, each.code) for each in coded.codings if each.system not in _DRUG_SYSTEMS]
    classes = frozenset[str]().union(*(each.concepts for each in placed))
    vague = frozenset[str]().union(*(each.vague for each in placed))
    if not classes:
        return bool(vague & {_ANY_DRUG, ANY_ALLERGY})
    others = classes - held
    return any(others.isdisjoint(index.closure.get(each, frozenset())) for each in classes & held)


def _hint(asked: str, hit: Hit[ConditionFact]) -> Finding | None:
    """A Condition that says there is, or was, such an allergy ("allergy status to penicillin", "drug-induced
    anaphylaxis"): the AllergyIntolerance itself decides, but its absence proves nothing.
    """
    fact = hit.fact
    if hit.match is Match.UNPLACED or fact.certainty is Certainty.REFUTED:
        return None
    name = coded_text(fact.code) or asked
    shown = Evidence(
        fact.source.reference, Role.CONSIDERED, "Condition.code", name, "", first_coding(fact.code, hit.coding)
    )
    missing = Missing("AllergyIntolerance", f"the allergy that “{name}” speaks of, with its severity", hit.coding)
    return Finding(Truth.UNKNOWN, f"{name} is recorded as a condition", (shown,), (missing,))


def _finding(node: HasAllergy, asked: str, hit: Hit[AllergyFact]) -> Finding | None:
    fact = hit.fact
    name = coded_text(fact.code) or coded_text(next(iter(fact.reaction_substances), fact.code)) or asked
    is_it = hit.match is Match.IS
    if fact.certainty is Certainty.REFUTED:
        if not is_it:
            return None
        shown = _shown(hit, name, Role.CONTRADICTS)
        return Finding(Truth.FALSE, f"allergy to {name} was refuted", (shown,), refuting=True)
    if not node.ever and fact.activity in {Activity.RESOLVED, Activity.INACTIVE}:
        if not is_it:
            return None
        return Finding(Truth.FALSE, f"allergy to {name} is {fact.activity}", (_shown(hit, name, Role.CONSIDERED),))
    finding = Finding(Truth.TRUE, f"allergy to {name} is recorded", (_shown(hit, name, Role.CONSIDERED),))
    if not node.ever and fact.activity is Activity.UNKNOWN:
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
