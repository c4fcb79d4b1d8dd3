"""Drugs, procedures, vaccinations: whether one was given in the time, way and dose that is asked about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from app.criteria.nodes import Dose, HadTreatment, HadVaccine, HasCondition, Op, Quantity, Timing
from app.criteria.words import dose_words
from app.evaluator.conditions import condition_finding, which
from app.evaluator.degrees import ask_degree
from app.evaluator.doses import exposure_of, judge_dose
from app.evaluator.exceptions import leave_out
from app.evaluator.facts import Match, Standing, TreatmentFact
from app.evaluator.findings import Finding, once, weigh
from app.evaluator.matching import any_is, has_code, is_event
from app.evaluator.periods import of_treatment
from app.evaluator.routes import by_route, implied_routes, routes_of
from app.evaluator.truth import Truth, any_of
from app.evaluator.verdict import Basis, Evidence, Missing, Question, Role, Verdict
from app.evaluator.windows import DUSK, Period, Window, leaves, overlaps
from app.evaluator.wording import coded_text, date_text, days_text, first_coding, listed, period_text
from app.knowledge.catalogue import Family, Modifier

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from app.criteria.nodes import Route, When
    from app.evaluator.case import Case
    from app.evaluator.doses import Exposure
    from app.evaluator.facts import Coded, Hit
    from app.knowledge.catalogue import Concept

_INTENTS = {"palliative": Modifier.PALLIATIVE_INTENT, "curative": Modifier.CURATIVE_INTENT}
_ALL_INTENTS = (*_INTENTS.values(), Modifier.OTHER_INTENT)
_HIGH_DOSE = frozenset({"high-dose", "high dose"})
_PLAN_TYPES = ("ServiceRequest", "Appointment")
_GIVEN = (Family.PROCEDURE, Family.MEDICATION, Family.IMMUNIZATION)


class Given(msgspec.Struct, gc=False):
    """One record of a treatment, what it says, and the period it ran."""

    hit: Hit[TreatmentFact]
    finding: Finding
    period: Period


def judge_treatment(case: Case, node: HadTreatment) -> Verdict:
    """The verdict on a HadTreatment."""
    concept = case.catalogue.concepts.get(node.concept)
    if concept is None:
        return Verdict(
            Truth.UNKNOWN, node, Basis.NONE, f"{node.concept} is not in the catalogue.",
            questions=(Question(f"Has the patient had {node.concept.replace('-', ' ')}?"),),
        )  # fmt: skip
    if node.planned:
        return _planned(case, node, concept)
    hits = treatment_hits(case, concept)
    conditions = _as_conditions(case, node, concept)
    if not hits and not conditions:
        return case.nothing(node, concept.name, concept.families)
    window = case.window(node.when)
    dose = node.dose or _threshold(node, concept)
    if dose is None and node.degree is None:
        found = _findings(case, node, concept, hits, window)
        return weigh(case, node, concept.name, concept.families, [*found, *conditions] if conditions else found)
    given = [each for each in (treatment_given(case, node, concept, hit, window) for hit in hits) if each is not None]
    findings = [each.finding for each in given]
    if dose is not None and any(each.finding.holds is not Truth.FALSE for each in given):
        return _dosed(case, node, concept, given, dose, window)
    if node.degree is not None:
        asked = (ask_degree(concept.name, node.degree),)
        findings = [each if each.holds is Truth.FALSE else each.asking(asked) for each in findings]
    return weigh(case, node, concept.name, concept.families, [*findings, *conditions])


def _findings(
    case: Case, node: HadTreatment, concept: Concept, hits: Sequence[Hit[TreatmentFact]], window: Window
) -> Sequence[Finding]:
    """What each record says; those that nobody can place say the same to every question of the same time."""
    shared = _all_unplaced(case, node, concept, hits, window)
    if shared is not None:
        return shared
    found = []
    for hit in hits:
        if hit.match is Match.UNPLACED:
            given = unplaced_given(case, node, concept, hit, window)
        else:
            given = treatment_given(case, node, concept, hit, window)
        if given is not None:
            found.append(given.finding)
    return found


def _all_unplaced(
    case: Case, node: HadTreatment, concept: Concept, hits: Sequence[Hit[TreatmentFact]], window: Window
) -> tuple[Finding, ...] | None:
    """What records say that nobody can place, where there are no others and no route is asked: one tuple for all
    questions of the same time. None where it is not so.
    """
    if node.routes or node.not_routes or implied_routes(concept):
        return None
    whole = concept.event or node.when.timing is Timing.EVER
    key = ("unplaced", id(hits), id(node.when), whole)
    found: tuple[tuple[Finding, ...] | None, object, object] | None = case.memo.get(key)
    if found is None:
        shared = None
        # One without words goes by the name of what is asked, and so is not the same for all.
        if all(each.match is Match.UNPLACED and _reading(case, each.fact).name for each in hits):
            given = [unplaced_given(case, node, concept, each, window) for each in hits]
            shared = tuple([each.finding for each in given if each is not None])
        # Hits and time are kept with what they gave, so that their ids stay their own.
        found = case.memo[key] = (shared, hits, node.when)
    return found[0]


def unplaced_given(
    case: Case, node: HadTreatment, concept: Concept, hit: Hit[TreatmentFact], window: Window
) -> Given | None:
    """What a record that nobody can place says, read once for all questions of the same time."""
    read = _reading(case, hit.fact)
    whole = concept.event or node.when.timing is Timing.EVER
    key = (id(node.when), whole, "" if read.name else concept.name)  # without words it goes by what is asked
    found = read.unplaced.get(key)
    if found is None:
        bare = HadTreatment(concept.id, node.when)
        # The time is kept with what it gave, so that its id stays its own.
        found = read.unplaced[key] = (treatment_given(case, bare, concept, hit, window, plain=True), node.when)
    given = found[0]
    wanted = node.routes or implied_routes(concept)
    if given is not None and (wanted or node.not_routes) and hit.fact.family is Family.MEDICATION:
        by = by_route(_routes(case, read), wanted, node.not_routes)
        return None if by is Truth.FALSE else given
    return given


def judge_vaccine(case: Case, node: HadVaccine) -> Verdict:
    """The verdict on a HadVaccine."""
    concept = case.catalogue.concepts.get(node.concept)
    if concept is None:
        return Verdict(
            Truth.UNKNOWN, node, Basis.NONE, f"{node.concept} is not in the catalogue.",
            questions=(Question(f"Has the patient had the vaccine {node.concept.replace('-', ' ')}?"),),
        )  # fmt: skip
    hits = treatment_hits(case, concept)
    if not hits:
        return case.nothing(node, concept.name, concept.families)
    window = case.window(node.when)
    asked = HadTreatment(node.concept, node.when, excluding=node.excluding)
    given = [treatment_given(case, asked, concept, each, window) for each in hits]
    return weigh(case, node, concept.name, concept.families, [each.finding for each in given if each is not None])


def treatment_hits(case: Case, concept: Concept) -> tuple[Hit[TreatmentFact], ...]:
    """Every record that bears on a treatment, in the families where it may stand."""
    families = tuple([each for each in _GIVEN if each in concept.families or each in concept.also_in])
    return case.chart.treatments(concept.id, families) if families else ()


@dataclass(slots=True)
class Reading:
    """What a record says to every question of one day: it is read once. `name` and `clause` are "" without words.

    `shown` are the elements that cite it, by the id of the coding that matched. `timed` and `unplaced` are what it says
    to the times that are asked about; canonical nodes share them, so they go by id.
    """

    fact: TreatmentFact
    name: str
    clause: str
    period: Period
    onset: Period
    routes: tuple[Route | None, ...] | None = None
    shown: dict[int, Evidence] = field(default_factory=dict)
    timed: dict[tuple[int, bool, int, str], tuple[Given, When]] = field(default_factory=dict)
    unplaced: dict[tuple[int, bool, str], tuple[Given | None, When]] = field(default_factory=dict)


def _reading(case: Case, fact: TreatmentFact) -> Reading:
    found: Reading | None = case.readings.get(id(fact))
    if found is None:
        name = coded_text(fact.code)
        period = of_treatment(fact, case.as_of)
        found = Reading(fact, name, _clause(fact, name) if name else "", period, period.onset())
        case.readings[id(fact)] = found  # it holds the fact, so that the id stays its own
    return found


def _is_event(case: Case, concept: Concept, code: Coded) -> bool:
    key = ("event", concept.id, id(code))
    found: tuple[bool, Coded] | None = case.memo.get(key)
    if found is None:
        found = case.memo[key] = (is_event(concept, code, case.catalogue), code)  # with the code: its id stays its own
    return found[0]


def _routes(case: Case, read: Reading) -> tuple[Route | None, ...]:
    if read.routes is None:
        read.routes = routes_of(read.fact, case.catalogue)
    return read.routes


def _considered(read: Reading, hit: Hit[TreatmentFact], name: str) -> Evidence:
    """The element that says what it is."""
    if not read.name:
        return _shown(read.fact, hit, Role.CONSIDERED, _path(read.fact), name)
    found = read.shown.get(id(hit.coding))
    if found is None:
        found = read.shown[id(hit.coding)] = _shown(read.fact, hit, Role.CONSIDERED, _path(read.fact), name)
    return found


def treatment_given(
    case: Case, node: HadTreatment, concept: Concept, hit: Hit[TreatmentFact], window: Window, *, plain: bool = False
) -> Given | None:
    """What one record says; None where it has nothing to do with the question. Doses are summed later.

    `plain` leaves out what the question says of routes, sites and the like. What comes back may be shared with other
    questions: it is not to be changed.
    """
    fact = hit.fact
    is_it = hit.match is Match.IS
    read = _reading(case, fact)
    name = read.name or concept.name
    if fact.standing is Standing.PLANNED:
        return None
    if fact.standing is Standing.AGAINST:
        if not is_it:
            return None
        shown = _shown(fact, hit, Role.CONTRADICTS, f"{fact.source.type}.status", fact.status)
        finding = Finding(Truth.FALSE, f"{name} was not given ({fact.status})", (shown,), refuting=True)
        return Given(hit, finding, read.period)
    given = _in_time(case, node.when, concept, hit, read, window)
    if given.finding.holds is Truth.FALSE:
        return given if is_it else None
    if is_it and (plain or not _is_narrow(node, concept)):
        return given
    finding = given.finding.copy()
    if not is_it:
        finding.require(Truth.UNKNOWN, (which(concept.name, fact.source.type, name, hit),))
    if not plain:
        _narrow(case, node, concept, read, name, finding)
    return Given(hit, finding, read.period)


def _in_time(case: Case, when: When, concept: Concept, hit: Hit[TreatmentFact], read: Reading, window: Window) -> Given:
    """What a record says to the time that is asked about, and to nothing else: the same for all who ask that."""
    fact = hit.fact
    at_once = when.timing is Timing.EVER or _is_event(case, concept, fact.code)
    key = (id(when), at_once, id(hit.coding), "" if read.name else concept.name)
    found = read.timed.get(key)
    if found is not None:
        return found[0]
    name = read.name or concept.name
    asked = read.onset if at_once else read.period
    holds = overlaps(asked, window)
    finding = Finding(holds, read.clause or _clause(fact, name), (_considered(read, hit, name),))
    if holds is Truth.UNKNOWN:
        iso = when.duration.iso() if when.duration is not None else ""
        what = "date" if fact.start is None and fact.end is None else "end" if fact.end is None else "exact dates"
        finding.missing = (Missing(fact.source.type, f"{what} of {name}", hit.coding, iso),)
    elif holds is Truth.TRUE:
        finding.leaves = leaves(asked, when, case.as_of)
    # The time is kept with what it gave, and the hit with its coding, so that their ids stay their own.
    read.timed[key] = Given(hit, finding, read.period), when
    return read.timed[key][0]


def _is_narrow(node: HadTreatment, concept: Concept) -> bool:
    """Whether it asks for more than the treatment and its time."""
    return bool(
        node.routes or node.not_routes or concept.systemic or node.sites or node.excluding
        or node.intent is not None or node.reason is not None
    )  # fmt: skip


def _narrow(case: Case, node: HadTreatment, concept: Concept, read: Reading, name: str, finding: Finding) -> None:
    """Route, site, intent, reason and exceptions of one record."""
    fact = read.fact
    kind = fact.source.type
    wanted = node.routes or implied_routes(concept)
    if (wanted or node.not_routes) and fact.family is Family.MEDICATION:
        holds = by_route(_routes(case, read), wanted, node.not_routes)
        finding.require(holds, (Missing(kind, f"route of {name}"),))
        if holds is Truth.FALSE:
            finding.text = f"{finding.text}, by a route that does not count"
    if node.sites:
        finding.require(_site(case, node, fact), (Missing(kind, f"body site of {name}"),))
    if node.intent is not None:
        finding.require(_intent(case, node.intent, fact), (Missing(kind, f"intent of {name}: {node.intent} or not"),))
    if node.reason is not None:
        finding.require(_reason(case, node.reason, fact), (Missing(kind, f"reason for {name}"),))
    leave_out(case, node.excluding, fact, finding)


def _dosed(
    case: Case, node: HadTreatment, concept: Concept, given: Sequence[Given], dose: Dose, window: Window
) -> Verdict:
    """By the dose of all that counts or may count, taken together."""
    counted = [each for each in given if each.finding.holds is not Truth.FALSE]
    exposures = [exposure_of(case, each.hit.fact, each.period, each.finding.holds, dose) for each in counted]
    answer = judge_dose(exposures, dose, window)
    asked = dose_words(dose)
    if answer.holds is Truth.TRUE and dose.op in {Op.LT, Op.LE}:
        # "At most x" says that there is a treatment: a record that may not count proves none.
        answer_holds = any_of(each.finding.holds for each in counted)
    else:
        answer_holds = answer.holds
    names = listed(tuple(dict.fromkeys(coded_text(each.hit.fact.code) for each in counted)))
    verb = {Truth.TRUE: "is", Truth.FALSE: "is not", Truth.UNKNOWN: "may or may not be"}[answer_holds]
    role = {Truth.TRUE: Role.SUPPORTS, Truth.FALSE: Role.CONTRADICTS, Truth.UNKNOWN: Role.CONSIDERED}[answer_holds]
    text = f"{names}: {answer.text} is the highest daily dose that is recorded; it {verb} {asked}."
    evidence = tuple(
        Evidence(one.reference, role, one.path, one.value, one.effective, one.code)
        for each in counted
        for one in (*each.finding.evidence, *_dose_evidence(each.hit.fact))
    )
    if answer_holds is Truth.TRUE and node.degree is not None and node.degree not in _HIGH_DOSE:
        asked_of = (ask_degree(concept.name, node.degree),)
        return Verdict(Truth.UNKNOWN, node, Basis.JUDGEMENT, text, evidence, questions=asked_of)
    hidden = case.hidden(concept.families)
    if answer_holds is Truth.TRUE:
        turns = _weans(counted, exposures, dose, window) if not hidden else None
        return Verdict(answer_holds, node, Basis.EVIDENCE, text, evidence, turns_on=turns)
    if answer_holds is Truth.FALSE and not hidden:
        return Verdict(answer_holds, node, Basis.EVIDENCE, text, evidence, searched=concept.families)
    if answer_holds is Truth.FALSE:
        base = case.nothing(node, concept.name, concept.families)
        return Verdict(Truth.UNKNOWN, node, Basis.NONE, text, evidence, base.missing)
    missing = [*answer.missing, *(one for each in counted for one in each.finding.missing)]
    questions = tuple(dict.fromkeys(one for each in counted for one in each.finding.questions))
    return Verdict(Truth.UNKNOWN, node, Basis.NONE, text, evidence, tuple(dict.fromkeys(missing)), questions)


def _weans(given: Sequence[Given], exposures: Sequence[Exposure], dose: Dose, window: Window) -> date | None:
    """The first day on which what is left of them in the window is no such dose; None where waiting does not tell."""
    if dose.op in {Op.LT, Op.LE}:
        return None
    for day in sorted({each.finding.leaves for each in given if each.finding.leaves is not None}):
        left = [
            exposure
            for each, exposure in zip(given, exposures, strict=True)
            if each.finding.leaves is None or each.finding.leaves > day
        ]
        if not left or judge_dose(left, dose, window).holds is Truth.FALSE:
            return day
    return None


def _dose_evidence(fact: TreatmentFact) -> tuple[Evidence, ...]:
    found = []
    for place, each in enumerate(fact.dosing):
        if each.amount is None:
            continue
        often = f" x {each.per_day.normalize():f}/day" if each.per_day is not None else ""
        needed = ", as needed" if each.as_needed else ""
        text = f"{each.amount.value:f} {each.amount.unit}{often}{needed}"
        name = "dosageInstruction" if fact.source.type in {"MedicationRequest", "MedicationDispense"} else "dosage"
        found.append(Evidence(fact.source.reference, Role.CONSIDERED, f"{fact.source.type}.{name}[{place}]", text, ""))
    return tuple(found)


def _threshold(node: HadTreatment, concept: Concept) -> Dose | None:
    """What "high-dose" is by the catalogue's threshold."""
    if node.degree not in _HIGH_DOSE or concept.high_dose is None:
        return None
    limit = Quantity(concept.high_dose.mg_per_day, "mg/d")
    return Dose(Op.GE, limit, concept.high_dose.equivalent)


def _site(case: Case, node: HadTreatment, fact: TreatmentFact) -> Truth:
    """By the recorded body site; a code may name its site itself."""
    by_code = any_is((fact.code,), node.sites, case.catalogue)
    if by_code is Truth.TRUE:
        return Truth.TRUE
    return any_is(fact.sites, node.sites, case.catalogue) if fact.sites else Truth.UNKNOWN


def _intent(case: Case, intent: str, fact: TreatmentFact) -> Truth:
    """By the recorded intent; a code may name its intent itself ("palliative course of radiotherapy")."""
    wanted, modifiers = _INTENTS.get(intent), case.catalogue.modifiers
    if wanted is None:
        return Truth.UNKNOWN
    told = (fact.code, *fact.intent)
    if any(has_code(each, modifiers[wanted]) for each in told):
        return Truth.TRUE
    known = any(has_code(each, modifiers[one]) for each in told for one in _ALL_INTENTS)
    return Truth.FALSE if known else Truth.UNKNOWN


def _reason(case: Case, reason: str, fact: TreatmentFact) -> Truth:
    seen = [any_is(fact.reasons, (reason,), case.catalogue)] if fact.reasons else []
    known = {
        hit.fact.source.reference: Truth.TRUE if hit.match is Match.IS else Truth.UNKNOWN
        for hit in case.chart.conditions(reason)
    }
    for each in fact.reason_references:
        source = case.chart.resolve(each)
        seen.append(known.get(source.reference, Truth.FALSE) if source is not None else Truth.UNKNOWN)
    return any_of(seen) if seen else Truth.UNKNOWN


def _as_conditions(case: Case, node: HadTreatment, concept: Concept) -> list[Finding]:
    """A treatment that is also recorded as a state ("transplanted kidney present")."""
    if Family.CONDITION not in concept.families and Family.CONDITION not in concept.also_in:
        return []
    when = node.when
    asked = HasCondition(node.concept, when, excluding=node.excluding)
    window = case.window(when)
    found = []
    for hit in case.chart.conditions(node.concept):
        if hit.match is Match.UNPLACED and Family.CONDITION not in concept.families:
            continue
        finding = condition_finding(case, asked, concept, hit, window)
        if finding is None:
            continue
        if finding.holds is not Truth.FALSE and (node.dose or node.degree or node.sites or node.intent or node.reason):
            finding.require(Truth.UNKNOWN, (Missing("Procedure", f"the {concept.name} itself, with its details"),))
        found.append(finding)
    return found


def _planned(case: Case, node: HadTreatment, concept: Concept) -> Verdict:
    """ServiceRequest or Appointment where sent, else a person says."""
    findings = []
    for hit in treatment_hits(case, concept):
        fact = hit.fact
        if fact.standing is not Standing.PLANNED:
            continue
        ahead = Truth.TRUE
        if fact.start is not None:
            period = of_treatment(fact, case.as_of)
            ahead = overlaps(period.onset(), Window(case.as_of, DUSK))
        name = coded_text(fact.code) or concept.name
        shown = _shown(fact, hit, Role.CONSIDERED, _path(fact), name)
        finding = Finding(ahead, f"{name} is planned", (shown,))
        if ahead is Truth.UNKNOWN:
            finding.missing = (Missing(fact.source.type, f"date of {name}"),)
        if hit.match is not Match.IS:
            finding.require(Truth.UNKNOWN, (which(concept.name, fact.source.type, name, hit),))
        _narrow(case, node, concept, _reading(case, fact), name, finding)
        if node.degree is not None and finding.holds is not Truth.FALSE:
            finding.require(Truth.UNKNOWN, (), (ask_degree(concept.name, node.degree),))
        findings.append(finding)
    for wanted, role in ((Truth.TRUE, Role.SUPPORTS), (Truth.UNKNOWN, Role.CONSIDERED)):
        some = [each for each in findings if each.holds is wanted]
        if some:
            return Verdict(
                wanted, node, Basis.EVIDENCE if wanted is Truth.TRUE else Basis.NONE,
                "; ".join(each.text for each in some) + ".",
                tuple(
                    Evidence(one.reference, role, one.path, one.value, one.effective, one.code)
                    for each in some for one in each.evidence
                ),
                once(one for each in some for one in each.missing) if wanted is Truth.UNKNOWN else (),
                once(one for each in some for one in each.questions) if wanted is Truth.UNKNOWN else (),
            )  # fmt: skip
    if case.chart.shown_type(_PLAN_TYPES[0]):
        return Verdict(
            Truth.FALSE, node, Basis.ABSENCE, f"No plan for {concept.name} was found in the ServiceRequest resources."
        )
    return Verdict(
        Truth.UNKNOWN, node, Basis.JUDGEMENT, f"Whether {concept.name} is planned is not recorded.",
        questions=(Question(f"Is {concept.name} planned?"),),
    )  # fmt: skip


def _path(fact: TreatmentFact) -> str:
    """The element that says what it is; `effective` says when."""
    match fact.family:
        case Family.IMMUNIZATION:
            return f"{fact.source.type}.vaccineCode"
        case Family.MEDICATION:
            return f"{fact.source.type}.medication"
        case _:
            return f"{fact.source.type}.code"


def _clause(fact: TreatmentFact, name: str) -> str:
    if fact.ongoing:
        return f"{name} since {date_text(fact.start)[:10]}, ongoing" if fact.start is not None else f"{name}, ongoing"
    return f"{name}, {days_text(fact.start, fact.end) or 'undated'}"


def _shown(fact: TreatmentFact, hit: Hit[TreatmentFact], role: Role, path: str, value: str) -> Evidence:
    effective = period_text(fact.start, fact.end, ongoing=fact.ongoing)
    return Evidence(fact.source.reference, role, path, value, effective, first_coding(fact.code, hit.coding))
