"""Conditions and allergies become facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from app.evaluator.facts import Activity, AllergyFact, Certainty, ConditionFact
from app.fhir.datatypes import CodeableConcept

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.evaluator.facts import Coded, Source
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
_IN_ERROR_BYTES = _IN_ERROR.encode()
_CONCEPT = msgspec.json.Decoder(CodeableConcept)
_DUE_TO = "http://hl7.org/fhir/StructureDefinition/condition-dueTo"


def may_be_in_error(resource: resources.Condition | resources.AllergyIntolerance) -> bool:
    """Whether verificationStatus has the word at all: cheap enough to be asked of every record."""
    return _IN_ERROR_BYTES in bytes(resource.verification_status)


def is_in_error(resource: resources.Condition | resources.AllergyIntolerance) -> bool:
    """Whether verificationStatus takes it back."""
    if not may_be_in_error(resource):
        return False
    try:
        status = _CONCEPT.decode(resource.verification_status)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return False  # then the record is malformed, and does not count either
    return _IN_ERROR in [each.code for each in status.coding or ()] or status.text == _IN_ERROR


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
        certainty=_certainty(values.term(resource.verification_status, "Condition.verificationStatus").coded),
        activity=_activity(values.term(resource.clinical_status, "Condition.clinicalStatus").coded, over=over),
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
        certainty=_certainty(values.term(resource.verification_status, "AllergyIntolerance.verificationStatus").coded),
        activity=_activity(
            values.term(resource.clinical_status, "AllergyIntolerance.clinicalStatus").coded, over=False
        ),
        criticality=resource.criticality or "",
        severities=tuple(each.severity for each in reactions if each.severity),
    )


def references(found: Iterable[fhir.Reference | None]) -> tuple[str, ...]:
    """What they refer to, as written."""
    return tuple(each.reference for each in found if each is not None and each.reference)


def _words(status: Coded) -> list[str]:
    codes = [each.code.strip().lower() for each in status.codings if each.code]
    return codes or ([status.text.strip().lower()] if status.text else [])


def _activity(status: Coded, *, over: bool) -> Activity:
    words = _words(status)
    if not words:
        return Activity.RESOLVED if over else Activity.ACTIVE
    return next((_ACTIVITY[each] for each in words if each in _ACTIVITY), Activity.UNKNOWN)


def _certainty(status: Coded) -> Certainty:
    """Confirmed where nothing is said; a word that is none of FHIR's leaves it open."""
    words = _words(status)
    if not words:
        return Certainty.CONFIRMED
    return next((_CERTAINTY[each] for each in words if each in _CERTAINTY), Certainty.SUSPECTED)
