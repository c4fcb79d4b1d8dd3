"""Drugs, procedures, vaccinations and planned events become treatment facts: whether it happened, and from when to
when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from app.criteria.time import Duration
from app.evaluator.facts import Coded, Standing, TreatmentFact
from app.fhir import resources
from app.fhir.conditions import references
from app.fhir.dosing import bounds, ends_after, read_dosing
from app.fhir.values import earliest_of, last_day, latest_of, read_duration, read_number
from app.knowledge.catalogue import Family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.criteria.time import DateSpan
    from app.evaluator.facts import Dosing, Source
    from app.fhir import datatypes as fhir
    from app.fhir.values import Values

Drug: TypeAlias = (
    resources.MedicationRequest
    | resources.MedicationStatement
    | resources.MedicationAdministration
    | resources.MedicationDispense
)
Treatment: TypeAlias = (
    Drug | resources.Procedure | resources.Immunization | resources.ServiceRequest | resources.Appointment
)
Span: TypeAlias = "tuple[DateSpan | None, DateSpan | None, bool, str]"
"""Start, end, whether it goes on, and the path of the start."""

_HAPPENED, _AGAINST, _PLANNED = Standing.HAPPENED, Standing.AGAINST, Standing.PLANNED

# What a status says happened; a status that is not here says nothing either way. FHIR R4 and R5 required value sets.
_STANDINGS: dict[type[resources.Resource], dict[str, Standing]] = {
    resources.MedicationRequest: {
        "active": _HAPPENED, "completed": _HAPPENED, "on-hold": _HAPPENED, "stopped": _HAPPENED, "ended": _HAPPENED,
    },
    resources.MedicationStatement: {
        "active": _HAPPENED, "completed": _HAPPENED, "on-hold": _HAPPENED, "stopped": _HAPPENED, "recorded": _HAPPENED,
        "not-taken": _AGAINST, "intended": _PLANNED,
    },
    resources.MedicationAdministration: {
        "completed": _HAPPENED, "in-progress": _HAPPENED, "stopped": _HAPPENED, "on-hold": _HAPPENED,
        "not-done": _AGAINST,
    },
    resources.MedicationDispense: {"completed": _HAPPENED, "declined": _AGAINST, "cancelled": _AGAINST},
    resources.Procedure: {
        "completed": _HAPPENED, "in-progress": _HAPPENED, "stopped": _HAPPENED, "not-done": _AGAINST,
        "preparation": _PLANNED,
    },
    resources.Immunization: {"completed": _HAPPENED, "not-done": _AGAINST},
    resources.ServiceRequest: {"active": _PLANNED},
    resources.Appointment: {"booked": _PLANNED},
}  # fmt: skip
_STANDINGS[resources.MedicationUsage] = _STANDINGS[resources.MedicationStatement]

_ORDERS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order", "directive"})
_NO_ORDERS = frozenset({"proposal", "option"})

# medication-statement-adherence (R5). The children of not-taking (on hold, stopped) say that it was taken before.
_NOT_TAKING = frozenset({"not-taking"})
_TAKING = frozenset({"taking", "taking-as-directed", "taking-not-as-directed"})

_INTENT = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-procedure-intent"
_FAMILIES = {resources.Immunization: Family.IMMUNIZATION, resources.Procedure: Family.PROCEDURE}


def standing_of(resource: resources.Resource) -> Standing | None:
    """What the record says happened; None where it says nothing either way (draft, unknown, cancelled order ...)."""
    known = _STANDINGS[type(resource)].get(getattr(resource, "status", None) or "")
    if isinstance(resource, resources.MedicationRequest):
        if resource.intent in _NO_ORDERS or known is None:
            return None
        return _AGAINST if resource.do_not_perform else known
    if isinstance(resource, resources.ServiceRequest):
        return None if resource.do_not_perform or resource.intent not in _ORDERS else known
    if isinstance(resource, resources.MedicationStatement) and resource.status == "recorded":
        return _AGAINST if _adherence(resource) & _NOT_TAKING else _HAPPENED
    return known


def missing_modifier(resource: resources.Resource) -> str | None:
    """A required element without which nobody can tell what happened: "status" or "intent"; None where all is there."""
    if not getattr(resource, "status", None):
        return "status"
    if isinstance(resource, resources.MedicationRequest) and resource.intent not in _ORDERS | _NO_ORDERS:
        return "intent"
    return None


def read_treatment(
    resource: Treatment, source: Source, values: Values, code: Coded, ingredients: tuple[Coded, ...]
) -> TreatmentFact:
    """The fact; `code` and `ingredients` are what its medication was resolved to. BadValue where an element is no
    value.
    """
    kind = source.type
    dosages = _dosages(resource)
    path = "dosageInstruction" if hasattr(resource, "dosage_instruction") else "dosage"
    dosing = read_dosing(values, dosages, f"{kind}.{path}") if dosages else ()
    start, end, ongoing, start_path = _span(resource, values, dosages, dosing)
    reasons: Sequence[fhir.CodeableReference] = getattr(resource, "reason", None) or ()
    extension: Sequence[fhir.Extension] = getattr(resource, "extension", None) or ()
    category = getattr(resource, "category", None)
    route, site = getattr(resource, "route", None), getattr(resource, "site", None)
    body_site: Sequence[fhir.CodeableConcept] = getattr(resource, "body_site", None) or ()
    return TreatmentFact(
        source=source,
        family=_FAMILIES.get(type(resource), Family.MEDICATION if dosages is not None else Family.PROCEDURE),
        code=code,
        ingredients=ingredients,
        standing=standing_of(resource) or _HAPPENED,
        start=start,
        end=end,
        ongoing=ongoing,
        routes=values.all_coded([each.route for each in dosages or () if each.route] + ([route] if route else [])),
        dosing=dosing,
        sites=values.all_coded(
            [*body_site, *(each.site for each in dosages or () if each.site), *([site] if site else [])]
        ),
        reasons=values.all_coded(getattr(resource, "reason_code", None))
        + values.all_coded([each.concept for each in reasons if each.concept]),
        reason_references=references(
            [*(getattr(resource, "reason_reference", None) or ()), *(each.reference for each in reasons)]
        ),
        intent=values.all_coded(
            [each.value_codeable_concept for each in extension if each.url == _INTENT and each.value_codeable_concept]
        ),
        category=values.all_coded(category if isinstance(category, list) else [category] if category else None),
        start_path=start_path,
        status=getattr(resource, "status", None) or "",
    )


def _dosages(resource: Treatment) -> Sequence[fhir.Dosage] | None:
    """The instructions of a drug resource; None for what is no drug."""
    match resource:
        case resources.MedicationRequest() | resources.MedicationDispense():
            return resource.dosage_instruction or ()
        case resources.MedicationStatement():
            return resource.dosage or ()
        case resources.MedicationAdministration():
            return (resource.dosage,) if resource.dosage else ()
        case _:
            return None


def _span(
    resource: Treatment, values: Values, dosages: Sequence[fhir.Dosage] | None, dosing: tuple[Dosing, ...]
) -> Span:
    match resource:
        case resources.MedicationRequest():
            return _request_span(resource, values, dosages or (), dosing)
        case resources.MedicationStatement():
            return _statement_span(resource, values, dosages or (), dosing)
        case resources.MedicationAdministration():
            name = "effective" if resource.effective_date_time or resource.effective_period else "occurence"
            moment = resource.effective_date_time or resource.occurence_date_time
            period = resource.effective_period or resource.occurence_period
            return _event_span(values, f"MedicationAdministration.{name}", moment, period, resource.status)
        case resources.MedicationDispense():
            return _dispense_span(resource, values)
        case resources.Procedure():
            return _procedure_span(resource, values)
        case resources.Immunization():
            return _event_span(values, "Immunization.occurrence", resource.occurrence_date_time, None, resource.status)
        case resources.ServiceRequest():
            first, last = bounds(values, resource.occurrence_timing, "ServiceRequest.occurrenceTiming")
            if first or last:
                return first, last, False, "ServiceRequest.occurrenceTiming"
            moment, period = resource.occurrence_date_time, resource.occurrence_period
            return _event_span(values, "ServiceRequest.occurrence", moment, period, resource.status)
        case resources.Appointment():
            start = values.date(resource.start, "Appointment.start")
            return start, values.date(resource.end, "Appointment.end") or start, False, "Appointment.start"


def _event_span(values: Values, path: str, moment: str | None, period: fhir.Period | None, status: str | None) -> Span:
    """What happens at a moment, or in a Period that is still open only while in progress."""
    if moment is not None:
        day = values.date(moment, f"{path}DateTime")
        return day, day, False, f"{path}DateTime"
    start, end = values.ends(period, f"{path}Period")
    return start, end, end is None and status == "in-progress", f"{path}Period.start" if period else ""


def _procedure_span(resource: resources.Procedure, values: Values) -> Span:
    old = (resource.performed_date_time, resource.performed_period, resource.performed_age, resource.performed_range)
    name = "performed" if any(each is not None for each in old) else "occurrence"
    path = f"Procedure.{name}"
    age = resource.performed_age or resource.occurrence_age
    ages = resource.performed_range or resource.occurrence_range
    if age is not None or ages is not None:
        day = values.at_age(age, f"{path}Age") or values.at_ages(ages, f"{path}Range")
        return day, day, False, f"{path}Age" if age is not None else f"{path}Range"
    moment = resource.performed_date_time or resource.occurrence_date_time
    period = resource.performed_period or resource.occurrence_period
    return _event_span(values, path, moment, period, resource.status)


def _dispense_span(resource: resources.MedicationDispense, values: Values) -> Span:
    name = "whenHandedOver" if resource.when_handed_over else "whenPrepared"
    start = values.date(resource.when_handed_over or resource.when_prepared, f"MedicationDispense.{name}")
    supply = read_duration(resource.days_supply, "MedicationDispense.daysSupply")
    if supply is None and resource.days_supply is not None and not resource.days_supply.code:
        supply = _days(resource.days_supply)  # the element's name says days where its unit does not
    return start, last_day(start, supply), False, f"MedicationDispense.{name}" if start else ""


def _days(supply: fhir.Quantity) -> Duration | None:
    if supply.unit or supply.comparator:
        return None
    return read_duration(type(supply)(value=supply.value, code="d"), "MedicationDispense.daysSupply")


def _bounds(dosing: tuple[Dosing, ...]) -> tuple[DateSpan | None, DateSpan | None]:
    """The first start of the instructions, and the last end where every one of them has an end."""
    start = earliest_of(each.start for each in dosing if each.start)
    ends = [each.end for each in dosing if each.end]
    return start, latest_of(ends) if len(ends) == len(dosing) else None


def _request_span(
    resource: resources.MedicationRequest, values: Values, dosages: Sequence[fhir.Dosage], dosing: tuple[Dosing, ...]
) -> Span:
    """From the dosage's first day or `authoredOn` to the end that dosage or supply gives.

    The supply of an active order says nothing of its end: it is filled again until somebody stops it.
    """
    start, end = _bounds(dosing)
    path = "MedicationRequest.dosageInstruction.timing"
    dispense = resource.dispense_request
    if start is None and resource.authored_on is not None:
        start, path = values.date(resource.authored_on, "MedicationRequest.authoredOn"), "MedicationRequest.authoredOn"
    valid_from, valid_to = values.ends(
        dispense.validity_period if dispense else None, "MedicationRequest.dispenseRequest.validityPeriod"
    )
    if start is None and valid_from is not None:
        start, path = valid_from, "MedicationRequest.dispenseRequest.validityPeriod.start"
    end = end or ends_after(start, dosages, "MedicationRequest.dosageInstruction")
    active = resource.status == "active"
    if end is None and not active:
        end = last_day(start, _supply(dispense)) or valid_to
    return start, end, active and end is None, path if start else ""


def _supply(dispense: resources.DispenseRequest | None) -> Duration | None:
    if dispense is None:
        return None
    path = "MedicationRequest.dispenseRequest"
    each = read_duration(dispense.expected_supply_duration, f"{path}.expectedSupplyDuration")
    repeats = read_number(dispense.number_of_repeats_allowed, f"{path}.numberOfRepeatsAllowed") or 0
    if each is None or repeats < 0:
        return None
    try:
        return Duration(each.count * (repeats + 1), each.unit)
    except ValueError:
        return None


def _statement_span(
    resource: resources.MedicationStatement,
    values: Values,
    dosages: Sequence[fhir.Dosage],
    dosing: tuple[Dosing, ...],
) -> Span:
    kind = "MedicationUsage" if isinstance(resource, resources.MedicationUsage) else "MedicationStatement"
    start, end = values.ends(resource.effective_period, f"{kind}.effectivePeriod")
    path = f"{kind}.effectivePeriod.start"
    if resource.effective_date_time is not None:
        start, path = (
            values.date(resource.effective_date_time, f"{kind}.effectiveDateTime"),
            f"{kind}.effectiveDateTime",
        )
    if start is None and end is None and resource.effective_timing is not None:
        start, end = bounds(values, resource.effective_timing, f"{kind}.effectiveTiming")
        path = f"{kind}.effectiveTiming"
    first, last = _bounds(dosing)
    if start is None and first is not None:
        start, path = first, f"{kind}.dosage.timing"
    end = end or last or ends_after(start, dosages, f"{kind}.dosage")
    taking = resource.status == "active" or (resource.status == "recorded" and bool(_adherence(resource) & _TAKING))
    return start, end, taking and end is None, path if start else ""


def _adherence(resource: resources.MedicationStatement) -> set[str]:
    code = resource.adherence.code if resource.adherence else None
    return {each.code for each in (code.coding if code else None) or () if each.code}
