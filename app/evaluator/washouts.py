"""Wash-outs: whether long enough has passed since the last of a treatment or condition ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec import structs

from app.criteria.nodes import EVER, Elapsed, HadTreatment, HasCondition
from app.criteria.time import before
from app.evaluator.conditions import condition_finding, not_in_catalogue
from app.evaluator.degrees import ask_degree
from app.evaluator.doses import drugs_of
from app.evaluator.facts import Activity, Match
from app.evaluator.findings import Finding, in_role, said
from app.evaluator.matching import is_event
from app.evaluator.periods import of_condition
from app.evaluator.treatments import treatment_given, treatment_hits, unplaced_given
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis, Missing, Role, Verdict, distinct
from app.evaluator.windows import Period, passes
from app.evaluator.wording import coded_text
from app.knowledge.catalogue import Family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.evaluator.case import Case
    from app.evaluator.facts import TreatmentFact
    from app.knowledge.catalogue import Concept

_HOURS_A_DAY = 24


def judge_elapsed(case: Case, node: Elapsed) -> Verdict:
    """The verdict on an Elapsed: every record of the treatment must lie far enough back."""
    concept = case.catalogue.concepts.get(node.treatment.concept)
    if concept is None:
        asked = HasCondition(node.treatment.concept)
        return structs.replace(not_in_catalogue(asked, node.treatment.concept), node=node)
    records = list(_records(case, node, concept))
    limit = before(case.as_of, node.at_least)
    answers = [_one(case, node, limit, *record) for record in records]
    hidden = case.hidden(concept.families)
    for wanted in (Truth.FALSE, Truth.UNKNOWN):
        some = [answer for answer, _ in answers if answer.holds is wanted]
        if not some:
            continue
        role = Role.CONTRADICTS if wanted is Truth.FALSE else Role.CONSIDERED
        return Verdict(
            wanted,
            node,
            Basis.EVIDENCE if wanted is Truth.FALSE else Basis.NONE,
            f"{said(some)} {_asked(node)}",
            distinct(in_role(case, one, role) for each in some for one in each.evidence),
            () if wanted is Truth.FALSE else tuple(dict.fromkeys(one for each in some for one in each.missing)),
            () if wanted is Truth.FALSE else tuple(dict.fromkeys(one for each in some for one in each.questions)),
            turns_on=_turns(answers) if wanted is Truth.FALSE and not hidden else None,
        )
    evidence = distinct(in_role(case, one, Role.SUPPORTS) for each, _ in answers for one in each.evidence)
    if hidden:
        nothing = case.nothing(node, concept.name, concept.families)
        return structs.replace(nothing, evidence=evidence) if evidence else nothing
    if not answers:
        return case.memory.shared(
            (id(node), case.profile, 1),
            lambda: Verdict(
                Truth.TRUE, node, Basis.ABSENCE, f"No record of {concept.name} was found.", searched=concept.families
            ),
        )
    return Verdict(
        Truth.TRUE, node, Basis.EVIDENCE, f"{said([each for each, _ in answers])} {_asked(node)}", evidence,
        searched=concept.families,
    )  # fmt: skip


def _asked(node: Elapsed) -> str:
    text = f"At least {node.at_least.words()} must have passed"
    return f"{text}, or {node.half_lives} half-lives if that is longer." if node.half_lives else f"{text}."


def _records(case: Case, node: Elapsed, concept: Concept) -> Iterator[tuple[Finding, Period, TreatmentFact | None]]:
    """Every record of it at any time, with what is open about it."""
    window = case.window(EVER)
    if isinstance(node.treatment, HadTreatment):
        treatment = replace(node.treatment, when=EVER)
        for found in treatment_hits(case, concept):
            if found.match is Match.UNPLACED:
                given = unplaced_given(case, treatment, concept, found, window)
            else:
                given = treatment_given(case, treatment, concept, found, window)
            if given is not None and given.finding.holds is not Truth.FALSE:
                finding = given.finding
                if (treatment.dose is not None or treatment.degree is not None) and found.match is not Match.UNPLACED:
                    # The dose that counts is that of a day: whether this record was one of it is left to people.
                    what = treatment.degree or "of the dose that counts"
                    finding = finding.asking((ask_degree(concept.name, what),))
                yield finding, given.period, found.fact
        asked = HasCondition(concept.id, EVER, excluding=treatment.excluding)
    else:
        asked = replace(node.treatment, when=EVER)
    for hit in case.chart.conditions(concept.id):
        if hit.match is Match.UNPLACED and Family.CONDITION not in concept.families:
            continue
        state = condition_finding(case, asked, concept, hit, window)
        if state is None or state.holds is Truth.FALSE:
            continue
        period = of_condition(hit.fact, case.as_of, malignancy=concept.malignancy)
        if isinstance(node.treatment, HadTreatment) or is_event(concept, hit.fact.code, case.catalogue):
            period = period.onset()
        elif hit.fact.activity is Activity.ACTIVE:
            state.text = f"{state.text}, still there"
        yield state, period, None


def _one(
    case: Case, node: Elapsed, limit: date, finding: Finding, period: Period, fact: TreatmentFact | None
) -> tuple[Finding, date | None]:
    """Whether one record ended by the limit, and the first day from which it lies far enough back; None where it does
    already, or that day is not known.
    """
    name = coded_text(fact.code) if fact is not None else "it"
    holds = _passed(period, limit)
    missing: tuple[Missing, ...] = ()
    longest = _half_lives(case, node, fact)
    if holds is Truth.UNKNOWN:
        kind = fact.source.type if fact is not None else "Condition"
        missing = (Missing(kind, f"date on which {name} ended"),)
    if node.half_lives is not None and holds is not Truth.FALSE:
        if longest is None:
            holds = Truth.UNKNOWN
            missing = (*missing, Missing("MedicationStatement", f"half-life of {name}"))
        else:
            by_half_life = _passed(period, case.as_of - longest)
            if by_half_life is Truth.FALSE or holds is Truth.TRUE:
                holds = by_half_life
            if holds is Truth.UNKNOWN and not missing:
                missing = (Missing(fact.source.type if fact is not None else "Condition", f"exact end of {name}"),)
    if holds is Truth.TRUE:
        return Finding(holds, finding.text, finding.evidence), None
    day = _first_day(case, node, period, longest) if fact is None or fact.end is not None else None
    if finding.holds is Truth.UNKNOWN:
        # It may not count, or may have been at another time: that it is recent then proves nothing.
        return Finding(
            Truth.UNKNOWN, finding.text, finding.evidence, (*finding.missing, *missing), finding.questions
        ), day
    return Finding(holds, finding.text, finding.evidence, missing if holds is Truth.UNKNOWN else ()), day


def _first_day(case: Case, node: Elapsed, period: Period, longest: timedelta | None) -> date | None:
    """From when on what is over lies far enough back; `longest` are the half-lives where they are asked for."""
    over = period.ended_by < case.as_of or period.ended_from == period.ended_by == case.as_of
    day = passes(period.ended_by, node.at_least) if over else None
    if node.half_lives is None or day is None:
        return day
    return max(day, period.ended_by + longest) if longest is not None else None


def _passed(period: Period, limit: date) -> Truth:
    if period.ended_by <= limit:
        return Truth.TRUE
    return Truth.FALSE if period.ended_from > limit else Truth.UNKNOWN


def _half_lives(case: Case, node: Elapsed, fact: TreatmentFact | None) -> timedelta | None:
    """That many half-lives of the slowest ingredient, in whole days; None where one of them is not known."""
    if fact is None or node.half_lives is None:
        return None
    drugs = drugs_of(case, fact)
    hours = [each.half_life_h for each in drugs]
    if not drugs or any(each is None for each in hours):
        return None
    longest = max(Fraction(each) for each in hours if each is not None) * node.half_lives
    days = -(-longest // _HOURS_A_DAY)
    return timedelta(days=int(days))


def _turns(answers: list[tuple[Finding, date | None]]) -> date | None:
    """The day on which the last of them is far enough back; None where that of one is not known."""
    days = [day for answer, day in answers if answer.holds is not Truth.TRUE]
    if not days or any(day is None for day in days) or any(each.holds is Truth.UNKNOWN for each, _ in answers):
        return None
    return max(day for day in days if day is not None)
