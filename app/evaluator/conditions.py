"""Diagnoses and states: by the Conditions that bear on them, the procedures and tests that are the same fact, or
absence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import structs

from app.criteria.nodes import HasCondition, Timing
from app.evaluator.degrees import degree_of_condition, is_about_activity
from app.evaluator.exceptions import leave_out
from app.evaluator.facts import Activity, Certainty, FlagValue, Match, Standing
from app.evaluator.findings import Finding, in_role, weigh
from app.evaluator.matching import any_is, is_event
from app.evaluator.others import weigh_others
from app.evaluator.periods import of_condition, of_treatment
from app.evaluator.results import hinted_at, outcome_of, results_of_disease
from app.evaluator.states import judge_graded, leave_open
from app.evaluator.truth import Truth, any_of
from app.evaluator.verdict import Basis, Evidence, Missing, Question, Role, Verdict, distinct
from app.evaluator.windows import DAWN, Period, Window, day_in, leaves, overlaps
from app.evaluator.wording import coded_text, days_text, first_coding, on, period_text
from app.knowledge.catalogue import Family, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.evaluator.case import Case
    from app.evaluator.facts import ConditionFact, Hit, ObservationFact, TreatmentFact
    from app.knowledge.catalogue import Concept

TREATMENT_FAMILIES = (Family.PROCEDURE, Family.MEDICATION, Family.IMMUNIZATION)
_METASTASIS = "metastasis"


def judge_condition(case: Case, node: HasCondition) -> Verdict:
    """The verdict on a HasCondition."""
    concept = case.catalogue.concepts.get(node.concept)
    if concept is None:
        return not_in_catalogue(node, node.concept)
    if node.defined_by is not None:
        return _defined(case, node)
    verdict = _recorded(case, node, concept)
    if concept.graded_by is not None:
        return judge_graded(case, node, concept.graded_by, verdict)
    if concept.open_world:
        return leave_open(node, concept, verdict)
    if verdict.holds is Truth.FALSE and concept.malignancy and not concept.metastasis and not node.other_than:
        return _without_primary(case, node, concept, verdict)
    return verdict


def _recorded(case: Case, node: HasCondition, concept: Concept) -> Verdict:
    """By what is recorded of the concept itself."""
    found = _findings(case, node, concept)
    if found is None:
        return case.nothing(node, concept.name, concept.families)
    conditions, others = found
    if node.other_than and concept.malignancy:
        return weigh_others(case, node, concept, conditions, others)
    if node.other_than:
        _leave_out_studied(case, node, conditions)
    findings = [*(finding for _, finding in conditions), *others]
    verdict = weigh(case, node, concept.name, concept.families, findings)
    if verdict.holds is not Truth.TRUE and concept.results:
        verdict = results_of_disease(case, node, concept, verdict, findings)
    if verdict.holds is not Truth.FALSE:
        return verdict
    hints = concept.hinted_by + (concept.traced_by if verdict.basis is Basis.ABSENCE else ())
    return hinted_at(case, node, concept, verdict, hints) if hints else verdict


def _without_primary(case: Case, node: HasCondition, concept: Concept, verdict: Verdict) -> Verdict:
    """A metastasis has a primary: where no other one is recorded, it may be of the one that is asked about."""
    if _METASTASIS not in case.catalogue.concepts:
        return verdict
    asked = {each.fact.source.reference for each in case.chart.conditions(node.concept)}
    for each in case.chart.primaries():
        if each.certainty is not Certainty.REFUTED and each.source.reference not in asked:
            return verdict
    spread = case.judge(HasCondition(_METASTASIS, node.when))
    if spread.holds is not Truth.TRUE:
        return verdict
    return Verdict(
        Truth.UNKNOWN, node, Basis.NONE, f"{spread.explanation} Its primary is not recorded.",
        evidence=distinct(in_role(case, each, Role.CONSIDERED) for each in (*spread.evidence, *verdict.evidence)),
        missing=(Missing("Condition", f"the primary of the metastasis: {concept.name} or another"),),
    )  # fmt: skip


def not_in_catalogue(node: HasCondition, concept: str) -> Verdict:
    """A concept that this release does not know decides nothing."""
    return Verdict(
        Truth.UNKNOWN,
        node,
        Basis.NONE,
        f"{concept} is not in the catalogue.",
        questions=(Question(f"Does the patient have {concept.replace('-', ' ')}?"),),
    )


def _defined(case: Case, node: HasCondition) -> Verdict:
    """By the datum that decides; where no such datum is recorded, nothing there is still false.

    A datum that is recorded and leaves it open (unknown unit, a comparator, a presence without an amount) speaks for
    the disease, so absence of the diagnosis says nothing then.
    """
    assert node.defined_by is not None
    by = case.judge(node.defined_by)
    if by.holds is not Truth.UNKNOWN:
        return structs.replace(by, node=node, because=())
    there = case.judge(replace(node, defined_by=None))
    if there.holds is Truth.FALSE and not by.evidence:
        return structs.replace(there, node=node, because=())
    return Verdict(
        Truth.UNKNOWN,
        node,
        Basis.JUDGEMENT if by.questions and not by.missing else Basis.NONE,
        by.explanation or there.explanation,
        evidence=there.evidence + by.evidence,
        missing=tuple(dict.fromkeys((*by.missing, *(there.missing if there.holds is Truth.UNKNOWN else ())))),
        questions=by.questions,
    )


Found = list[tuple["ConditionFact", Finding]]


def _findings(case: Case, node: HasCondition, concept: Concept) -> tuple[Found, list[Finding]] | None:
    """What each record says; None where no record bears on the concept."""
    hits = case.chart.conditions(node.concept)
    families = tuple([each for each in TREATMENT_FAMILIES if each in concept.families or each in concept.also_in])
    treatments = case.chart.treatments(node.concept, families) if families else ()
    observed = case.chart.concept_observations(node.concept)
    tests = concept.results or concept.hinted_by or concept.traced_by
    if not hits and not treatments and not observed and not tests:
        return None
    window = case.window(node.when)
    conditions: Found = []
    for hit in hits:
        if hit.match is Match.UNPLACED:
            continue
        finding = condition_finding(case, node, concept, hit, window)
        if finding is not None:
            conditions.append((hit.fact, finding))
    if len(conditions) < len(hits):
        conditions += _unplaced(case, node, concept, hits, window)
    others = [_treatment(case, node, concept, each, window) for each in treatments]
    if any(finding.holds is not Truth.FALSE for _, finding in conditions):
        # What a report concluded of a disease adds nothing to its own record on the list.
        observed = tuple(each for each in observed if each.fact.source.type != "DiagnosticReport")
    others += [_observation(case, node, concept, each, window) for each in observed]
    return conditions, [each for each in others if each is not None]


def condition_finding(
    case: Case, node: HasCondition, concept: Concept, hit: Hit[ConditionFact], window: Window
) -> Finding | None:
    """What one Condition says to the question; None where it has nothing to do with it."""
    fact = hit.fact
    is_it = hit.match is Match.IS
    name = coded_text(fact.code) or concept.name
    if fact.certainty is Certainty.REFUTED:
        if not is_it:
            return None
        shown = _shown(hit, "Condition.verificationStatus", "refuted", Role.CONTRADICTS)
        return Finding(Truth.FALSE, f"{name} was refuted", (shown,), refuting=True)
    when = _when(case, node, concept, fact, window)
    if when is Truth.FALSE and not is_it:
        return None
    finding = Finding(when, _clause(fact, name), (_shown(hit, "Condition.code", name, Role.CONSIDERED),))
    if when is Truth.UNKNOWN:
        finding.missing = (_date_or_status(node, fact, name, hit),)
    if when is Truth.FALSE:
        return finding
    if when is Truth.TRUE:
        finding.leaves = leaves(_period(concept, fact, case), node.when, case.as_of)
    if not is_it:
        finding.require(Truth.UNKNOWN, (which(concept.name, "Condition", name, hit),))
    if fact.certainty is Certainty.SUSPECTED and not node.suspected:
        finding.require(Truth.UNKNOWN, (Missing("Condition", f"confirmation or refutation of {name}", hit.coding),))
    _judge_cause(case, node, fact, finding)
    leave_out(case, node.excluding, fact, finding)
    if node.degree is not None and finding.holds is not Truth.FALSE:
        degree = degree_of_condition(case, node, concept, fact)
        finding.evidence = (*finding.evidence, *degree.evidence)
        finding.require(degree.holds, (), degree.questions)
        if degree.holds is Truth.FALSE:
            finding.text = f"{finding.text}, not {node.degree}"
    return finding


def _unplaced(
    case: Case, node: HasCondition, concept: Concept, hits: Sequence[Hit[ConditionFact]], window: Window
) -> Found:
    """Records that nobody can place say the same to every question of the same time: they are read once.

    One without words of its own goes by the name of what is asked.
    """
    when = HasCondition(concept.id, node.when)
    key = ("conditions", node.when, concept.event, concept.malignancy, concept.metastasis)
    known: dict[str, Finding | None] = case.memo.setdefault(key, {})
    found: Found = []
    for hit in hits:
        if hit.match is Match.UNPLACED:
            reference = hit.fact.source.reference
            which_one = reference if coded_text(hit.fact.code) else f"{reference} {concept.name}"
            if which_one not in known:
                known[which_one] = condition_finding(case, when, concept, hit, window)
            finding = known[which_one]
            if finding is not None:
                # A copy: what asks for a disease under study changes its findings.
                found.append((hit.fact, finding.copy()))
    return found


def which(asked: str, kind: str, name: str, hit: Hit[ConditionFact] | Hit[TreatmentFact]) -> Missing:
    """What to send where a record is less specific than the question, or says it in words only."""
    match hit.match:
        case Match.VAGUE:
            return Missing(kind, f"whether “{name}” is {asked}: a more specific code", hit.coding)
        case Match.NAMED:
            return Missing(kind, f"a code for “{name}” ({asked})", hit.coding)
        case _:
            return Missing(kind, f"a code for “{name}” that can be placed", hit.coding)


def _period(concept: Concept, fact: ConditionFact, case: Case) -> Period:
    period = of_condition(fact, case.as_of, malignancy=concept.malignancy)
    return period.onset() if is_event(concept, fact.code, case.catalogue) else period


def _when(case: Case, node: HasCondition, concept: Concept, fact: ConditionFact, window: Window) -> Truth:
    """Whether the record is of the time that is asked about."""
    match node.when.timing:
        case Timing.CURRENT:
            return _is_current(fact, case, node, concept)
        case Timing.EVER:
            return overlaps(of_condition(fact, case.as_of).onset(), window)
        case Timing.WITHIN:
            if fact.onset is None and fact.abatement is None and fact.recorded is None:
                return Truth.UNKNOWN
            return overlaps(_period(concept, fact, case), window)


def _is_current(fact: ConditionFact, case: Case, node: HasCondition, concept: Concept) -> Truth:
    period = of_condition(fact, case.as_of)
    begun = overlaps(period.onset(), Window(DAWN, case.as_of))
    if begun is not Truth.TRUE:
        return begun
    over = fact.abatement is not None and fact.abatement.latest is not None and fact.abatement.latest <= case.as_of
    ahead = fact.abatement is not None and fact.abatement.latest is not None and fact.abatement.latest > case.as_of
    malignancy = concept.malignancy or concept.metastasis
    match fact.activity:
        case Activity.ACTIVE:
            return Truth.UNKNOWN if over else Truth.TRUE
        case Activity.REMISSION:
            if not malignancy or is_about_activity(node.degree):
                return Truth.FALSE
            return Truth.TRUE
        case Activity.RESOLVED:
            return Truth.UNKNOWN if ahead else Truth.FALSE
        case Activity.INACTIVE:
            return Truth.UNKNOWN if (malignancy and not is_about_activity(node.degree)) or ahead else Truth.FALSE
        case Activity.UNKNOWN:
            return Truth.FALSE if over else Truth.UNKNOWN


def _clause(fact: ConditionFact, name: str) -> str:
    if fact.abatement is not None:
        return f"{name} ({fact.activity}), {days_text(fact.onset, fact.abatement)}"
    if fact.onset is not None:
        return f"{name} ({fact.activity}) since {fact.onset.text[:10]}"
    if fact.recorded is not None:
        return f"{name} ({fact.activity}), recorded {fact.recorded.text[:10]}"
    return f"{name} ({fact.activity}), undated"


def _shown(hit: Hit[ConditionFact], path: str, value: str, role: Role) -> Evidence:
    fact = hit.fact
    effective = period_text(fact.onset, fact.abatement, ongoing=fact.activity is Activity.ACTIVE)
    if not effective and fact.recorded is not None:
        effective = fact.recorded.text
    return Evidence(fact.source.reference, role, path, value, effective, first_coding(fact.code, hit.coding))


def _date_or_status(node: HasCondition, fact: ConditionFact, name: str, hit: Hit[ConditionFact]) -> Missing:
    window = node.when.duration.iso() if node.when.duration is not None else ""
    if node.when.timing is Timing.CURRENT:
        return Missing("Condition", f"clinical status of {name}", hit.coding)
    if fact.onset is None:
        return Missing("Condition", f"onset of {name}", hit.coding, window)
    if fact.abatement is None and fact.activity is not Activity.ACTIVE:
        return Missing("Condition", f"exact dates of {name}, from onset to abatement", hit.coding, window)
    return Missing("Condition", f"exact dates of {name}", hit.coding, window)


def _judge_cause(case: Case, node: HasCondition, fact: ConditionFact, finding: Finding) -> None:
    """What "caused by" asks: by `dueTo` where it is coded, else a person says."""
    if node.due_to is None:
        return
    cause = case.catalogue.concepts.get(node.due_to)
    name = cause.name if cause is not None else node.due_to
    causes = [any_is(fact.due_to, (node.due_to,), case.catalogue)] if fact.due_to else []
    if fact.due_to_references:
        known = {
            each.fact.source.reference: Truth.TRUE if each.match is Match.IS else Truth.UNKNOWN
            for each in case.chart.conditions(node.due_to)
        }
        for reference in fact.due_to_references:
            source = case.chart.resolve(reference)
            causes.append(known.get(source.reference, Truth.FALSE) if source is not None else Truth.UNKNOWN)
    holds = any_of(causes) if causes else Truth.UNKNOWN
    asked = coded_text(fact.code)
    finding.require(holds, (), (Question(f"Is the {asked} caused by {name}?"),))


def _treatment(
    case: Case, node: HasCondition, concept: Concept, hit: Hit[TreatmentFact], window: Window
) -> Finding | None:
    """A procedure or drug that is the same fact (a transplantation for "transplant recipient")."""
    fact = hit.fact
    if fact.standing is not Standing.HAPPENED:
        return None
    name = coded_text(fact.code) or concept.name
    period = of_treatment(fact, case.as_of)
    when = overlaps(
        period.onset() if is_event(concept, fact.code, case.catalogue) or node.when.timing is Timing.EVER else period,
        window,
    )
    if node.when.timing is Timing.CURRENT:
        began = overlaps(period.onset(), Window(DAWN, case.as_of))
        lasting = Truth.TRUE if concept.kind is Kind.TREATMENT or when is Truth.TRUE else Truth.UNKNOWN
        when = Truth.FALSE if began is Truth.FALSE else Truth.UNKNOWN if began is Truth.UNKNOWN else lasting
    if when is Truth.FALSE and hit.match is not Match.IS:
        return None
    kind = fact.source.type
    effective = period_text(fact.start, fact.end, ongoing=fact.ongoing)
    shown = Evidence(
        fact.source.reference, Role.CONSIDERED, f"{kind}.code", name, effective, first_coding(fact.code, hit.coding)
    )
    finding = Finding(when, f"{name}{on(fact.start)}", (shown,))
    if when is Truth.UNKNOWN:
        finding.missing = (Missing(kind, f"date of {name}, and whether {concept.name} is still there", hit.coding),)
    if hit.match is not Match.IS:
        finding.require(Truth.UNKNOWN, (which(concept.name, kind, name, hit),))
    leave_out(case, node.excluding, fact, finding)
    return finding


def _observation(
    case: Case, node: HasCondition, concept: Concept, hit: Hit[ObservationFact], window: Window
) -> Finding | None:
    """An observation that is coded with the concept, or has it as its value."""
    fact = hit.fact
    in_scope = Family.OBSERVATION in concept.families
    if hit.match is not Match.IS and not in_scope:
        return None
    name = concept.name
    said = coded_text(fact.code)
    day = day_in(fact.when, Window(DAWN, case.as_of))
    if day is Truth.FALSE:
        return None
    present = _says_present(case, hit)
    shown = Evidence(
        fact.source.reference,
        Role.CONTRADICTS if present is Truth.FALSE else Role.CONSIDERED,
        fact.path,
        said,
        fact.when.text if fact.when is not None else "",
        first_coding(fact.code, hit.coding),
    )
    if present is Truth.FALSE:
        if hit.match is not Match.IS:
            return None
        return Finding(Truth.FALSE, f"{said}: not present{on(fact.when)}", (shown,), refuting=True)
    holds: Truth = present
    match node.when.timing:
        case Timing.EVER:
            pass
        case Timing.WITHIN:
            within = day_in(fact.when, window)
            if within is not Truth.TRUE and holds is Truth.TRUE:
                # It was seen before the window: it may still have been there inside it.
                holds = Truth.FALSE if within is Truth.FALSE and concept.event else Truth.UNKNOWN
        case Timing.CURRENT:
            recent = case.is_recent(fact.when)
            holds = holds if recent else Truth.UNKNOWN
    if hit.match is not Match.IS and holds is not Truth.FALSE:
        holds = Truth.UNKNOWN
    finding = Finding(holds, f"{said}{on(fact.when)}", (shown,))
    if holds is Truth.UNKNOWN:
        finding.missing = (
            Missing("Condition", f"whether the patient has {name} (“{said}”{on(fact.when)})", hit.coding),
        )
    if node.degree is not None and finding.holds is not Truth.FALSE:
        finding.require(Truth.UNKNOWN, (), (Question(f"Is the {name} {node.degree}?"),))
    return finding


def _says_present(case: Case, hit: Hit[ObservationFact]) -> Truth:
    """The concept as the value, or as the code with a value that says yes."""
    fact = hit.fact
    if hit.coding is not None and hit.coding not in fact.code.codings:
        return Truth.TRUE
    if fact.value is None and not fact.interpretation:
        return Truth.UNKNOWN
    if isinstance(fact.value, FlagValue):
        return Truth.TRUE if fact.value.value else Truth.FALSE
    return outcome_of(case, fact, None)


def _leave_out_studied(case: Case, node: HasCondition, conditions: Found) -> None:
    """For "other" without a malignancy: what is the disease under study does not count."""
    matches = {hit.fact.source.reference: hit.match for each in node.other_than for hit in case.chart.conditions(each)}
    for fact, finding in conditions:
        match = matches.get(fact.source.reference)
        if match is Match.IS:
            finding.require(Truth.FALSE)
        elif match is not None:
            finding.require(
                Truth.UNKNOWN, (Missing("Condition", f"whether {coded_text(fact.code)} is the disease under study"),)
            )
