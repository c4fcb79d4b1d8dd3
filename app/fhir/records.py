"""Sorts what a bundle holds: which resources are about the patient, which of them count, and what was wrong with others."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import msgspec

from app.evaluator.facts import Source, Warning_
from app.fhir import resources
from app.fhir.conditions import is_in_error
from app.fhir.index import Record
from app.fhir.observations import STATUSES
from app.fhir.resolver import Resolver, type_name
from app.fhir.subject import About, Candidate, Subject, choose
from app.fhir.treatments import missing_modifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.fhir.bundle import Opened
    from app.fhir.datatypes import Reference
    from app.fhir.resources import Resource

_IN_ERROR = "entered-in-error"


class _Plan(NamedTuple):
    """How a type is sorted: its name, its subject element, whether `status` is needed to know that it happened."""

    name: str
    subject: Callable[[Any], Reference | None]
    has_status: bool
    is_treatment: bool


def _either(first: str, second: str) -> Callable[[Any], Reference | None]:
    old, new = attrgetter(first), attrgetter(second)
    return lambda resource: old(resource) or new(resource)


_SUBJECT = attrgetter("subject")
_PATIENT = attrgetter("patient")
_PLANS: dict[type[Resource], _Plan] = {
    resources.Condition: _Plan("Condition", _SUBJECT, has_status=False, is_treatment=False),
    resources.Observation: _Plan("Observation", _SUBJECT, has_status=True, is_treatment=False),
    resources.Procedure: _Plan("Procedure", _SUBJECT, has_status=True, is_treatment=True),
    resources.MedicationRequest: _Plan("MedicationRequest", _SUBJECT, has_status=True, is_treatment=True),
    resources.MedicationStatement: _Plan("MedicationStatement", _SUBJECT, has_status=True, is_treatment=True),
    resources.MedicationUsage: _Plan("MedicationUsage", _SUBJECT, has_status=True, is_treatment=True),
    resources.MedicationAdministration: _Plan("MedicationAdministration", _SUBJECT, has_status=True, is_treatment=True),
    resources.MedicationDispense: _Plan("MedicationDispense", _SUBJECT, has_status=True, is_treatment=True),
    resources.Immunization: _Plan("Immunization", _PATIENT, has_status=True, is_treatment=True),
    resources.AllergyIntolerance: _Plan("AllergyIntolerance", _PATIENT, has_status=False, is_treatment=False),
    resources.ServiceRequest: _Plan("ServiceRequest", _SUBJECT, has_status=True, is_treatment=True),
    resources.Appointment: _Plan("Appointment", _SUBJECT, has_status=True, is_treatment=True),
    resources.ResearchSubject: _Plan(
        "ResearchSubject", _either("individual", "subject"), has_status=True, is_treatment=False
    ),
    resources.Consent: _Plan("Consent", _either("patient", "subject"), has_status=True, is_treatment=False),
}

# Types that a focus may name without the result being somebody else's.
_OWN_FOCUS = frozenset(
    {
        "Condition", "BodyStructure", "Specimen", "Observation", "Procedure", "DiagnosticReport", "Encounter",
        "EpisodeOfCare", "ImagingStudy", "CarePlan", "ClinicalImpression",
    }
)  # fmt: skip


@dataclass(slots=True)
class Gathered:
    """The patient and, by type and in the order of their references, the records about this patient."""

    patient: Candidate
    patient_in_doubt: bool
    opened: Opened
    records: dict[str, list[Record]] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)
    warnings: list[Warning_] = field(default_factory=list)
    subject: Subject = field(init=False)
    _resolver: Resolver | None = None

    def __post_init__(self) -> None:
        self.subject = Subject(self.patient)

    @property
    def resolver(self) -> Resolver:
        """Made when first needed: many records refer to nothing that is asked for."""
        if self._resolver is None:
            self._resolver = Resolver(self.opened.entries)
        return self._resolver

    def warn(self, code: str, text: str, reference: str) -> None:
        """Note something."""
        self.warnings.append(Warning_(code, text, reference))


class _Item(NamedTuple):
    reference: str
    full_url: str | None
    resource: Resource
    doubt: bool


def gather(opened: Opened, wanted: str | None) -> Gathered:
    """Sort the entries. NoPatient, SeveralPatients or UnknownPatient where it is not clear whom they are about."""
    warnings: list[Warning_] = []
    patients, items = _distinct(opened, warnings)
    candidates = [Candidate(each.reference, each.full_url, each.resource) for each in patients]  # type: ignore[arg-type]
    chosen = choose(candidates, wanted)
    in_doubt = patients[candidates.index(chosen)].doubt
    gathered = Gathered(chosen, in_doubt, opened, warnings=warnings)
    alone = len(candidates) == 1
    about = gathered.subject.of
    for item in items:
        resource = item.resource
        plan = _PLANS[type(resource)]
        whom = about(plan.subject(resource))
        if whom is not About.PATIENT:
            whom = _elsewhere(resource, whom, gathered)
        if whom is About.OTHER:
            gathered.warn(
                "other-subject", f"This {plan.name} is not about the patient and was not used.", item.reference
            )
            continue
        if _is_in_error(resource, plan):
            gathered.warn(
                "entered-in-error", f"This {plan.name} was entered in error and was not used.", item.reference
            )
            continue
        doubt = item.doubt
        if whom is About.NOBODY:
            gathered.warn(
                "no-subject", f"This {plan.name} does not say whom it is about and does not count.", item.reference
            )
            if not alone:
                continue
            doubt = True
        doubt = doubt or _is_doubtful(resource, plan, item.reference, gathered)
        if not doubt:
            gathered.shown.add(plan.name)
        record = Record(Source(item.reference, plan.name), resource, doubt)
        there = gathered.records.get(plan.name)
        if there is None:
            gathered.records[plan.name] = [record]
        else:
            there.append(record)
    for each in gathered.records.values():
        each.sort(key=_by_reference)
    return gathered


def _distinct(opened: Opened, warnings: list[Warning_]) -> tuple[list[_Item], list[_Item]]:
    """Patients and other resources that are read, each once.

    The same resource twice counts once. Two that share an id but not their address are two. Two that share all of it and
    differ cannot both be right: neither counts.
    """
    first: dict[str, _Item] = {}
    shared: dict[str, list[_Item]] = {}
    broken = opened.broken
    for full_url, resource in opened.entries:
        kind = type(resource)
        plan = _PLANS.get(kind)
        if plan is None and kind is not resources.Patient:
            continue
        name = plan.name if plan else "Patient"
        reference = f"{name}/{resource.id}" if resource.id else full_url or _nameless(name, resource)
        item = _Item(reference, full_url, resource, bool(broken) and id(resource) in broken)
        known = first.setdefault(reference, item)
        if known is not item:
            shared.setdefault(reference, [known]).append(item)
    for reference, items in shared.items():
        del first[reference]
        for each in _settle(reference, items, warnings):
            first[f"{reference} {len(first)}"] = each
    patients: list[_Item] = []
    others: list[_Item] = []
    for item in first.values():
        (patients if type(item.resource) is resources.Patient else others).append(item)
    return patients, others


def _nameless(name: str, resource: Resource) -> str:
    """A name for what has none, made of what it says, so that it does not hang on its place in the bundle."""
    return f"{name} without id ({crc32(msgspec.json.encode(resource)):08x})"


def _settle(reference: str, items: list[_Item], warnings: list[Warning_]) -> list[_Item]:
    different: list[_Item] = []
    for item in sorted(items, key=lambda each: (each.full_url or "", msgspec.json.encode(each.resource))):
        if not any(item.resource == each.resource for each in different):
            different.append(item)
    if len(different) == 1:
        return different
    if len({each.full_url for each in different if each.full_url}) == len(different):
        return [each._replace(reference=each.full_url or reference) for each in different]
    text = "The Bundle has this resource more than once, with different content: none of them counts."
    warnings.append(Warning_("duplicate", text, reference))
    if type(different[0].resource) is resources.Patient:
        different = different[:1]
    return [each._replace(doubt=True) for each in different]


def _by_reference(record: Record) -> str:
    return record.source.reference


def _elsewhere(resource: Resource, whom: About, gathered: Gathered) -> About:
    """An Appointment has its patient among the participants."""
    if not isinstance(resource, resources.Appointment):
        return whom
    if any(gathered.subject.of(each.actor) is About.PATIENT for each in resource.participant or ()):
        return About.PATIENT
    return About.OTHER if whom is About.OTHER or resource.participant else About.NOBODY


def _is_in_error(resource: Any, plan: _Plan) -> bool:
    if plan.has_status:
        return bool(resource.status == _IN_ERROR)
    return is_in_error(resource)


def _is_doubtful(resource: Any, plan: _Plan, reference: str, gathered: Gathered) -> bool:
    """Whether something keeps us from saying what the resource means; the reason becomes a warning."""
    if resource.modifier_extension or resource.implicit_rules:
        what = "an extension that modifies it" if resource.modifier_extension else "implicit rules"
        text = f"This {plan.name} has {what} not known here, so it was not used."
        gathered.warn("unknown-modifier", text, reference)
        return True
    if plan.is_treatment:
        missing = missing_modifier(resource)
        if missing is not None:
            text = f"This {plan.name} has no {missing} that FHIR knows, so it does not say what happened and does not count."
            gathered.warn("malformed", text, reference)
            return True
    elif plan.name == "Observation":
        if resource.status == "preliminary":
            gathered.warn("preliminary", "This result is preliminary; it was used as it is.", reference)
        elif resource.status not in STATUSES:
            text = "This Observation has no status that FHIR knows and does not count."
            gathered.warn("malformed", text, reference)
            return True
        return resource.focus is not None and _is_anothers(resource, reference, gathered)
    return False


def _is_anothers(resource: resources.Observation, reference: str, gathered: Gathered) -> bool:
    """Whether `focus` says that the result is that of another person, a fetus, a donor or a device."""
    for each in resource.focus or ():
        if gathered.subject.of(each) is About.PATIENT:
            continue
        kind = (each.reference or "").rpartition("/")[0].rpartition("/")[2]
        found = gathered.resolver.find(each.reference) if each.reference and kind not in _OWN_FOCUS else None
        if (type_name(found) if found else kind) not in _OWN_FOCUS:
            text = "This result is not the patient's own (focus) and was not used."
            gathered.warn("other-subject", text, reference)
            return True
    return False
