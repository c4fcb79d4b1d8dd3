"""Pregnancy, breastfeeding (both open-world) and childbearing potential (presumed by sex and age)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.criteria.nodes import EVER, HadTreatment, HasCondition, Reproductive, ReproductiveIs, Sex
from app.criteria.time import TimeUnit, completed
from app.evaluator.ages import no_birth_date
from app.evaluator.facts import Match
from app.evaluator.picks import Answer, evidence_of, latest
from app.evaluator.results import outcome_of
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis, Evidence, Missing, Role, Verdict
from app.evaluator.wording import date_text, on, value_text
from app.knowledge.catalogue import Kind

if TYPE_CHECKING:
    from app.evaluator.case import Case

_STATES = {
    Reproductive.PREGNANT: ("pregnancy", ("pregnancy-test", "pregnancy-status"), "pregnant", "pregnancy test"),
    Reproductive.BREASTFEEDING: ("breastfeeding", ("breastfeeding-status",), "breastfeeding", "breastfeeding status"),
}
_WITHOUT_WOMB = "hysterectomy"
_INFERTILE = (
    "hysterectomy", "bilateral-oophorectomy", "female-sterilisation", "tubal-ligation", "sterilisation", "menopause",
    "postmenopausal",
)  # fmt: skip


def judge_reproductive(case: Case, node: ReproductiveIs) -> Verdict:
    """The verdict on a ReproductiveIs."""
    patient = case.chart.patient
    if patient.gender == Sex.MALE:
        shown = Evidence(patient.source.reference, Role.CONTRADICTS, "Patient.gender", patient.gender, "")
        return Verdict(Truth.FALSE, node, Basis.NOT_APPLICABLE, "The patient is male.", (shown,))
    if node.state is Reproductive.CHILDBEARING:
        return _childbearing(case, node)
    return _state(case, node)


def _childbearing(case: Case, node: ReproductiveIs) -> Verdict:
    patient, birth = case.chart.patient, case.birth
    low, high = case.settings.childbearing_ages
    if patient.gender != Sex.FEMALE:
        return Verdict(
            Truth.UNKNOWN, node, Basis.NONE, "The recorded sex is neither female nor male.",
            missing=(Missing("Patient", "administrative gender"),),
        )  # fmt: skip
    ended = _infertile(case, node)
    if ended is not None and ended.holds is Truth.FALSE:
        return ended
    if birth is None or birth.earliest is None or birth.latest is None:
        return no_birth_date(node)
    oldest = completed(birth.earliest, case.as_of, TimeUnit.YEAR)
    youngest = completed(birth.latest, case.as_of, TimeUnit.YEAR)
    shown = Evidence(patient.source.reference, Role.SUPPORTS, "Patient.birthDate", f"{oldest} years", date_text(birth))
    if youngest > high or oldest < low:
        text = f"Childbearing potential is presumed from {low} to {high} years; the patient is {oldest}."
        return Verdict(Truth.FALSE, node, Basis.NOT_APPLICABLE, text, (shown,))
    if oldest > high or youngest < low:
        return Verdict(
            Truth.UNKNOWN, node, Basis.NONE, "The age hangs on the exact birth date.", (shown,),
            (Missing("Patient", "exact birth date"),),
        )  # fmt: skip
    if ended is not None:
        return ended
    text = f"A woman of {oldest} years; nothing is recorded that ends childbearing potential."
    return Verdict(Truth.TRUE, node, Basis.EVIDENCE, text, (shown,))


def _infertile(case: Case, node: ReproductiveIs) -> Verdict | None:
    """A recorded hysterectomy, oophorectomy, sterilisation or menopause; unknown where only words name one."""
    open_ = None
    for each in _INFERTILE:
        concept = case.catalogue.concepts.get(each)
        if concept is None:
            continue
        asked = HadTreatment(each) if concept.kind is Kind.TREATMENT else HasCondition(each, EVER)
        found = case.judge(asked)
        if found.holds is Truth.TRUE:
            evidence = tuple(
                Evidence(one.reference, Role.CONTRADICTS, one.path, one.value, one.effective, one.code)
                for one in found.evidence
            )
            return Verdict(Truth.FALSE, node, Basis.EVIDENCE, found.explanation, evidence)
        if found.holds is Truth.UNKNOWN and found.evidence and _is_named(case, each):
            open_ = Verdict(
                Truth.UNKNOWN, node, Basis.NONE, found.explanation, found.evidence, found.missing, found.questions
            )
    return open_


def _is_named(case: Case, concept: str) -> bool:
    families = case.catalogue.concepts[concept].families
    matches = {each.match for each in case.chart.conditions(concept)}
    matches |= {each.match for each in case.chart.treatments(concept, families)}
    return bool(matches - {Match.UNPLACED})


def _state(case: Case, node: ReproductiveIs) -> Verdict:
    concept, analytes, word, asked = _STATES[node.state]
    tests = []
    for each in analytes:
        analyte = case.catalogue.analytes.get(each)
        if analyte is None:
            continue
        tests += [(fact, outcome_of(case, fact, analyte)) for fact in latest(case.chart.observations(each), case.as_of)]
    newest = latest(sorted((fact for fact, _ in tests), key=_day), case.as_of)
    references = {id(fact) for fact in newest}
    tests = [(fact, holds) for fact, holds in tests if id(fact) in references]
    by_test = {holds for fact, holds in tests if case.is_recent(fact.when)}
    diagnosis = case.judge(HasCondition(concept)) if concept in case.catalogue.concepts else None
    evidence = tuple(one for fact, holds in tests for one in evidence_of(case, fact, Answer(holds, "")))
    said = "; ".join(f"{value_text(fact.value)}{on(fact.when)}" for fact, _ in tests)
    missing = (Missing("Observation", asked),)
    diagnosed = diagnosis is not None and diagnosis.holds is Truth.TRUE
    if diagnosis is not None and diagnosed:
        evidence = (*evidence, *diagnosis.evidence)
    open_records = diagnosis is not None and diagnosis.holds is Truth.UNKNOWN and bool(diagnosis.evidence)
    if by_test == {Truth.TRUE} or (diagnosed and Truth.FALSE not in by_test):
        text = f"A test says {word}: {said}." if by_test == {Truth.TRUE} else _explained(diagnosis)
        return Verdict(Truth.TRUE, node, Basis.EVIDENCE, text, evidence)
    if by_test == {Truth.FALSE} and not diagnosed and not (open_records and _is_named(case, concept)):
        return Verdict(Truth.FALSE, node, Basis.EVIDENCE, f"A test says not {word}: {said}.", evidence)
    refuted = diagnosis is not None and any(each.role is Role.CONTRADICTS for each in diagnosis.evidence)
    if diagnosis is not None and diagnosis.holds is Truth.FALSE and refuted and Truth.TRUE not in by_test:
        return Verdict(Truth.FALSE, node, Basis.EVIDENCE, diagnosis.explanation, (*evidence, *diagnosis.evidence))
    if node.state is Reproductive.PREGNANT and _WITHOUT_WOMB in case.catalogue.concepts and not by_test:
        womb = case.judge(HadTreatment(_WITHOUT_WOMB))
        if womb.holds is Truth.TRUE and not diagnosed:
            return Verdict(Truth.FALSE, node, Basis.EVIDENCE, womb.explanation, womb.evidence)
    if evidence:
        text = f"What is recorded does not tell whether the patient is {word}."
        return Verdict(Truth.UNKNOWN, node, Basis.NONE, text, evidence, missing)
    return Verdict(Truth.UNKNOWN, node, Basis.NONE, f"Nothing tells whether the patient is {word}.", (), missing)


def _day(fact: object) -> tuple[int, str]:
    when = getattr(fact, "when", None)
    last = (when.latest or when.earliest) if when is not None else None
    return (last.toordinal() if last is not None else 0, getattr(fact, "instant", ""))


def _explained(verdict: Verdict | None) -> str:
    return verdict.explanation if verdict is not None else ""
