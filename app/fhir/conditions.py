"""Conditions and allergies become facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.evaluator.facts import Activity, AllergyFact, Certainty, ConditionFact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.evaluator.facts import Source
    from app.fhir import datatypes as fhir
    from app.fhir import resources
    from app.fhir.values import Values

# Codes of condition-clinical and allergyintolerance-clinical (R4, R5).
_ACTIVITY = {
    "active": Activity.ACTIVE,
    "recurrence": Activity.ACTIVE,
    "relapse": Activity.ACTIVE,
    "inactive": Activity.INACTIVE,
    "remission": Activity.REMISSION,
    "resolved": Activity.RESOLVED,
}

# Codes of condition-ver-status and allergyintolerance-verification (R4, R5).
_CERTAINTY = {
    "confirmed": Certainty.CONFIRMED,
    "presumed": Certainty.SUSPECTED,
    "unconfirmed": Certainty.SUSPECTED,
    "provisional": Certainty.SUSPECTED,
    "differential": Certainty.SUSPECTED,
    "refuted": Certainty.REFUTED,
}
_IN_ERROR = "entered-in-error"
_DUE_TO = "http://hl7.org/fhir/StructureDefinition/condition-dueTo"


def is_in_error(resource: resources.Condition | resources.AllergyIntolerance) -> bool:
    """Whether verificationStatus takes it back."""
    status = resource.verification_status
    return status is not None and _IN_ERROR in _words(status)


def read_condition(resource: resources.Condition, source: Source, values: Values) -> ConditionFact:
    """The fact. BadValue where an element that is read has no value of its type."""
    onset = (
        values.date(resource.onset_date_time, "Condition.onsetDateTime")
        or values.within(resource.onset_period, "Condition.onsetPeriod")
        or values.at_age(resource.onset_age, "Condition.onsetAge")
        or values.at_ages(resource.onset_range, "Condition.onsetRange")
    )
    abatement = (
        values.date(resource.abatement_date_time, "Condition.abatementDateTime")
        or values.within(resource.abatement_period, "Condition.abatementPeriod")
        or values.at_age(resource.abatement_age, "Condition.abatementAge")
        or values.at_ages(resource.abatement_range, "Condition.abatementRange")
    )
    over = abatement is not None or bool(resource.abatement_boolean) or bool(resource.abatement_string)
    evidence = resource.evidence or ()
    due_to = [each for each in resource.extension or () if each.url == _DUE_TO]
    return ConditionFact(
        source=source,
        code=values.term(resource.code, "Condition.code").coded,
        certainty=_certainty(resource.verification_status),
        activity=_activity(resource.clinical_status, over=over),
        onset=onset,
        abatement=abatement,
        recorded=values.date(resource.recorded_date, "Condition.recordedDate"),
        severity=values.coded(resource.severity),
        stages=values.all_coded(each.summary for each in resource.stage or () if each.summary),
        sites=values.all_coded(resource.body_site),
        due_to=values.all_coded(each.value_codeable_concept for each in due_to if each.value_codeable_concept),
        due_to_references=references(each.value_reference for each in due_to),
        has_evidence=bool(evidence),
        evidence_codes=values.all_coded(
            code for each in evidence for code in (*(each.code or ()), each.concept) if code is not None
        ),
        evidence_references=references(
            reference for each in evidence for reference in (*(each.detail or ()), each.reference)
        ),
    )


def read_allergy(resource: resources.AllergyIntolerance, source: Source, values: Values) -> AllergyFact:
    """The fact."""
    reactions = resource.reaction or ()
    return AllergyFact(
        source=source,
        code=values.term(resource.code, "AllergyIntolerance.code").coded,
        reaction_substances=values.all_coded(each.substance for each in reactions if each.substance),
        manifestations=values.all_coded(each for reaction in reactions for each in reaction.manifestation or ()),
        certainty=_certainty(resource.verification_status),
        activity=_activity(resource.clinical_status, over=False),
        criticality=resource.criticality or "",
        severities=tuple(each.severity for each in reactions if each.severity),
    )


def references(found: Iterable[fhir.Reference | None]) -> tuple[str, ...]:
    """What they refer to, as written."""
    return tuple(each.reference for each in found if each is not None and each.reference)


def _words(concept: fhir.CodeableConcept) -> list[str]:
    codes = [each.code.strip().lower() for each in concept.coding or () if each.code]
    return codes or ([concept.text.strip().lower()] if concept.text else [])


def _activity(status: fhir.CodeableConcept | None, *, over: bool) -> Activity:
    if status is None or not _words(status):
        return Activity.RESOLVED if over else Activity.ACTIVE
    return next((_ACTIVITY[each] for each in _words(status) if each in _ACTIVITY), Activity.UNKNOWN)


def _certainty(status: fhir.CodeableConcept | None) -> Certainty:
    """Confirmed where nothing is said; a word that is none of FHIR's leaves it open."""
    if status is None or not _words(status):
        return Certainty.CONFIRMED
    return next((_CERTAINTY[each] for each in _words(status) if each in _CERTAINTY), Certainty.SUSPECTED)
