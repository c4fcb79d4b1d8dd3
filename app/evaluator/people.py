"""What only people can tell, consent, and being alive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.criteria.nodes import ConfirmedBy, GaveConsent, IsAlive, Judgement, NotUnderstood, Preference
from app.evaluator.facts import Certainty, Match
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis, Evidence, Question, Role, Verdict
from app.evaluator.windows import DAWN, Window, day_in
from app.evaluator.wording import coded_text, first_coding, on

if TYPE_CHECKING:
    from app.evaluator.case import Case

_REPORTS = {"histology": ("pathology-report",), "cytology": ("cytology-report", "pathology-report")}
_ANY_REPORT = ("pathology-report", "cytology-report")


def judge_question(case: Case, node: Judgement) -> Verdict:
    """A person says."""
    return case.memory.shared(
        (id(node),),
        lambda: Verdict(
            Truth.UNKNOWN, node, Basis.JUDGEMENT, "Only a person can tell.", questions=(Question(node.question),)
        ),
    )


def judge_not_understood(case: Case, node: NotUnderstood) -> Verdict:
    """The text is quoted: a person reads it."""
    return case.memory.shared(
        (id(node),),
        lambda: Verdict(
            Truth.UNKNOWN,
            node,
            Basis.JUDGEMENT,
            "This text was not understood; a person has to read it.",
            questions=(Question(f"Does this hold: “{node.text}”?"),),
        ),
    )


def judge_preference(case: Case, node: Preference) -> Verdict:
    """It binds nobody."""
    return case.memory.shared(
        (id(node),), lambda: Verdict(Truth.UNKNOWN, node, Basis.NONE, "A preference; it binds nobody.")
    )


def judge_alive(case: Case, node: IsAlive) -> Verdict:
    """Not recorded as deceased by the day of the question."""
    patient = case.chart.patient
    died = Truth.TRUE if patient.deceased else Truth.FALSE
    if patient.deceased and patient.deceased_on is not None:
        died = day_in(patient.deceased_on, Window(DAWN, case.as_of))
    text = {
        Truth.FALSE: "The patient is not recorded as deceased.",
        Truth.TRUE: f"The patient is recorded as deceased{on(patient.deceased_on)}.",
        Truth.UNKNOWN: "Whether the patient had died by then is not certain.",
    }[died]
    holds = {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE, Truth.UNKNOWN: Truth.UNKNOWN}[died]
    role = {Truth.TRUE: Role.SUPPORTS, Truth.FALSE: Role.CONTRADICTS, Truth.UNKNOWN: Role.CONSIDERED}[holds]
    effective = patient.deceased_on.text if patient.deceased_on is not None else ""
    shown = Evidence(
        patient.source.reference, role, "Patient.deceased", "true" if patient.deceased else "not recorded", effective
    )
    return Verdict(holds, node, Basis.EVIDENCE if holds is not Truth.UNKNOWN else Basis.NONE, text, (shown,))


def judge_consent(case: Case, node: GaveConsent) -> Verdict:
    """An active research Consent that names this trial or no trial; failing that, a person says."""
    for each in case.chart.consents():
        if not each.research or (
            each.when is not None and day_in(each.when, Window(DAWN, case.as_of)) is not Truth.TRUE
        ):
            continue
        names_it = bool(set(each.studies) & case.settings.trial_ids)
        if each.studies and not names_it:
            continue
        effective = each.when.text if each.when is not None else ""
        if each.permits:
            shown = Evidence(each.source.reference, Role.SUPPORTS, "Consent.status", "active", effective)
            return Verdict(Truth.TRUE, node, Basis.EVIDENCE, f"A research consent is active{on(each.when)}.", (shown,))
        if names_it:
            shown = Evidence(each.source.reference, Role.CONTRADICTS, "Consent.provision", "deny", effective)
            return Verdict(Truth.FALSE, node, Basis.EVIDENCE, "The consent to this trial was refused.", (shown,))
    return Verdict(
        Truth.UNKNOWN, node, Basis.JUDGEMENT, "No research consent to this trial is recorded.",
        questions=(Question(node.question),),
    )  # fmt: skip


def judge_confirmed(case: Case, node: ConfirmedBy) -> Verdict:
    """By a report that a diagnosis points to, or one whose value is the diagnosis, or a histology code; else a person.

    A report that nothing ties to the diagnosis is cited with the question.
    """
    concept = case.catalogue.concepts.get(node.concept)
    name = concept.name if concept is not None else node.concept.replace("-", " ")
    kinds = _REPORTS.get(node.method, _ANY_REPORT)
    reports = {fact.source.reference: fact for kind in kinds for fact in case.chart.observations(kind)}
    seen = []
    for hit in case.chart.conditions(node.concept):
        fact = hit.fact
        if hit.match is not Match.IS or fact.certainty is not Certainty.CONFIRMED:
            continue
        for coding in fact.code.codings:
            if any(each in coding.uri.lower() for each in case.catalogue.histology):
                shown = Evidence(
                    fact.source.reference, Role.SUPPORTS, "Condition.code", coding.display or coding.code, "", coding
                )
                return Verdict(
                    Truth.TRUE, node, Basis.EVIDENCE, f"{coded_text(fact.code)} carries a histology code.", (shown,)
                )
        for reference in fact.evidence_references:
            source = case.chart.resolve(reference)
            if source is not None and source.reference in reports:
                shown = Evidence(fact.source.reference, Role.SUPPORTS, "Condition.evidence", source.reference, "")
                return Verdict(
                    Truth.TRUE, node, Basis.EVIDENCE,
                    f"{coded_text(fact.code)} rests on the report {source.reference}.", (shown,),
                )  # fmt: skip
        seen.append(Evidence(fact.source.reference, Role.CONSIDERED, "Condition.code", coded_text(fact.code), ""))
    for found in case.chart.concept_observations(node.concept):
        report = reports.get(found.fact.source.reference)
        if report is not None and found.match is Match.IS:
            effective = report.when.text if report.when is not None else ""
            shown = Evidence(
                report.source.reference, Role.SUPPORTS, report.path, name, effective,
                first_coding(report.code, found.coding),
            )  # fmt: skip
            return Verdict(Truth.TRUE, node, Basis.EVIDENCE, f"A {node.method} report says {name}.", (shown,))
    seen += [
        Evidence(each.source.reference, Role.CONSIDERED, each.path, coded_text(each.code), "")
        for each in reports.values()
    ]
    return Verdict(
        Truth.UNKNOWN, node, Basis.JUDGEMENT, f"No {node.method} is tied to the diagnosis.", tuple(seen),
        questions=(Question(f"Is the {name} confirmed by {node.method}?"),),
    )  # fmt: skip
