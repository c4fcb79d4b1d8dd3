"""Other malignancies: exactly one primary is the disease under study and does not count; its metastases do not either.

Which one that is may be open. Then every primary that can be it is tried, and the answer is the one that all trials of
that kind give. Two records of one tumour (a repeated entry, a broader and a narrower code) are one primary: where they
may be one, nothing definite is said of the second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from app.evaluator.facts import Activity, Certainty, Match
from app.evaluator.findings import Finding, weigh
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis, Missing, Verdict, distinct
from app.evaluator.wording import coded_text, listed
from app.knowledge.catalogue import Modifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.criteria.nodes import HasCondition
    from app.evaluator.case import Case
    from app.evaluator.facts import ConditionFact
    from app.knowledge.catalogue import Catalogue, Concept

_ICD = frozenset({"icd10", "icd10cm"})
_ICD_CATEGORY = 3


def weigh_others(
    case: Case,
    node: HasCondition,
    concept: Concept,
    conditions: Sequence[tuple[ConditionFact, Finding]],
    others: Sequence[Finding],
) -> Verdict:
    """The verdict on "other than the disease under study", over every primary that may be it."""
    primaries = {
        each.source.reference: each for each in case.chart.primaries() if each.certainty is not Certainty.REFUTED
    }
    confirmed = [each for each in primaries.values() if each.certainty is Certainty.CONFIRMED]
    studied = _candidates(case, node, confirmed or list(primaries.values()))
    verdicts = []
    tried: list[ConditionFact | None] = [*_each_kind(studied, conditions)] or [None]
    for disease in tried:
        findings = [_against(case, fact, finding, disease, primaries) for fact, finding in conditions]
        verdicts.append(weigh(case, node, f"other {concept.name}", concept.families, [*findings, *others]))
    first = verdicts[0]
    names = tuple(dict.fromkeys(coded_text(each.code) for each in studied))
    if all(each.holds is first.holds for each in verdicts):
        return _whichever(verdicts, names) if first.holds is Truth.TRUE and len(names) > 1 else first
    return Verdict(
        Truth.UNKNOWN,
        node,
        Basis.NONE,
        f"Which of {listed(names)} is the disease under study is not certain.",
        evidence=distinct(one for each in verdicts for one in each.evidence),
        missing=(Missing("Condition", f"which of {listed(names)} is the disease under study"),),
    )


def _whichever(verdicts: Sequence[Verdict], names: tuple[str, ...]) -> Verdict:
    """There is another one whichever is under study: all records that show it are named."""
    days = [each.turns_on for each in verdicts]
    return structs.replace(
        verdicts[0],
        explanation=f"Only one of {listed(names)} can be the disease under study.",
        evidence=distinct(one for each in verdicts for one in each.evidence),
        turns_on=max((day for day in days if day is not None), default=None) if None not in days else None,
    )


def _candidates(case: Case, node: HasCondition, primaries: list[ConditionFact]) -> list[ConditionFact]:
    """Those that may be the disease under study: what the trial accepts, and of several of these the active ones."""
    matches: dict[str, Match] = {}
    for each in node.other_than:
        for hit in case.chart.conditions(each):
            if matches.get(hit.fact.source.reference) is not Match.IS:
                matches[hit.fact.source.reference] = hit.match
    accepted = [each for each in primaries if each.source.reference in matches]
    if not accepted:
        return primaries
    active = [each for each in accepted if each.activity is Activity.ACTIVE]
    return active or accepted


def _each_kind(
    studied: Sequence[ConditionFact], conditions: Sequence[tuple[ConditionFact, Finding]]
) -> list[ConditionFact]:
    """One of those that answer alike: lists repeat a diagnosis, and `same_disease` tells entries of one code apart by
    status and end, and by the onset only where another one has ended.
    """
    is_dated = any(fact.abatement is not None for fact, _ in conditions)
    kinds: dict[tuple[object, ...], ConditionFact] = {}
    for each in studied:
        onset = each.onset.latest if is_dated and each.onset is not None else None
        key = (id(each.code), each.activity, onset) if each.abatement is None else (each.source.reference,)
        kinds.setdefault(key, each)
    return list(kinds.values())


def _against(
    case: Case,
    fact: ConditionFact,
    finding: Finding,
    disease: ConditionFact | None,
    primaries: dict[str, ConditionFact],
) -> Finding:
    """The finding, if that primary is the disease under study."""
    if finding.holds is Truth.FALSE or disease is None:
        return finding
    name = coded_text(fact.code)
    if fact.source.reference not in primaries:
        if fact.certainty is Certainty.CONFIRMED and not finding.missing:
            return _left_out(finding, "no primary of its own", finding.missing)
        return finding
    same = same_disease(fact, disease, case.catalogue)
    if same is Truth.TRUE:
        return _left_out(finding, "the disease under study", ())
    if same is Truth.UNKNOWN:
        asked = Missing("Condition", f"whether {name} and {coded_text(disease.code)} are one disease")
        return structs.replace(finding, holds=Truth.UNKNOWN, missing=(*finding.missing, asked))
    return finding


def _left_out(finding: Finding, why: str, missing: tuple[Missing, ...]) -> Finding:
    """The same record, which does not count."""
    text = f"{finding.text}, {why}"
    return Finding(Truth.FALSE, text, finding.evidence, missing, (), finding.leaves, finding.refuting)


def same_disease(one: ConditionFact, other: ConditionFact, catalogue: Catalogue) -> Truth:
    """Whether two records are of one tumour.

    The same code is the same disease, unless one was over before the other began. What the catalogue places in concepts
    of which none includes another is not, unless one may be the other; where ICD-10 categories differ and only a
    general concept is shared, neither.
    """
    if one.source.reference == other.source.reference:
        return Truth.TRUE
    codes = {(each.system, each.code) for each in one.code.codings if each.code}
    if codes and (
        one.code is other.code or codes & {(each.system, each.code) for each in other.code.codings if each.code}
    ):
        return Truth.UNKNOWN if _apart(one, other) or _apart(other, one) else Truth.TRUE
    mine, theirs = _narrowest(one, catalogue), _narrowest(other, catalogue)
    if not mine or not theirs:
        return Truth.UNKNOWN
    closure = catalogue.index.closure
    related = any(a in closure.get(b, ()) or b in closure.get(a, ()) for a in mine for b in theirs)
    if not related:
        return Truth.UNKNOWN if mine & _may_be(other, catalogue) or theirs & _may_be(one, catalogue) else Truth.FALSE
    if mine & theirs and not any(_is_general(each, catalogue) for each in mine & theirs):
        return Truth.UNKNOWN
    here, there = _categories(one), _categories(other)
    no_site = {each.code for each in catalogue.modifiers[Modifier.NO_SITE].codes}
    if here and there and not here & there and not (here | there) & no_site:
        return Truth.FALSE
    return Truth.UNKNOWN


def _apart(one: ConditionFact, other: ConditionFact) -> bool:
    """Whether the first was over before the second began: then the second may be another tumour of the kind."""
    over = one.activity in {Activity.RESOLVED, Activity.INACTIVE, Activity.REMISSION}
    if one.abatement is None or one.abatement.latest is None:
        return over and other.activity is Activity.ACTIVE
    return other.onset is None or other.onset.latest is None or one.abatement.latest < other.onset.latest


def _narrowest(fact: ConditionFact, catalogue: Catalogue) -> frozenset[str]:
    """The malignancies that its codes are, without those that include another of them."""
    placed = {
        concept
        for each in fact.code.codings
        for concept in catalogue.index.place(each.system, each.code).concepts
        if concept in catalogue.concepts and catalogue.concepts[concept].malignancy
    }
    closure = catalogue.index.closure
    return frozenset(each for each in placed if not any(one != each and one in closure.get(each, ()) for one in placed))


def _may_be(fact: ConditionFact, catalogue: Catalogue) -> frozenset[str]:
    """What its codes leave open: a ductal cancer may be the triple-negative one."""
    placed = (catalogue.index.place(each.system, each.code) for each in fact.code.codings)
    return frozenset[str]().union(*(each.vague for each in placed))


def _is_general(concept: str, catalogue: Catalogue) -> bool:
    """Whether it includes other malignancies: a tumour of it may be any of many."""
    return len(catalogue.index.closure.get(concept, ())) > 1


def _categories(fact: ConditionFact) -> frozenset[str]:
    return frozenset(
        each.code.replace(".", "")[:_ICD_CATEGORY].upper()
        for each in fact.code.codings
        if each.system in _ICD and len(each.code) >= _ICD_CATEGORY
    )
