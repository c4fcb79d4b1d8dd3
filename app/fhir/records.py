"""Sorts what a bundle holds: which resources are about the patient, which of them count, and what was wrong with
others.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import msgspec

from app.evaluator.facts import Warning_
from app.fhir import resources
from app.fhir.conditions import is_in_error, may_be_in_error
from app.fhir.index import Record
from app.fhir.observations import REPORT_STATUSES, STATUSES
from app.fhir.resolver import Resolver, type_name
from app.fhir.resources import Resource
from app.fhir.subject import About, Candidate, Subject, choose
from app.fhir.treatments import missing_modifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.fhir.bundle import Entry, Opened
    from app.fhir.datatypes import Raw

_IN_ERROR = "entered-in-error"


class _Plan(NamedTuple):
    """How a type is sorted: its name, its subject element, and the statuses that need no second look."""

    name: str
    subject: Callable[[Any], Raw]
    plain: frozenset[str] | None


def _either(first: str, second: str) -> Callable[[Any], Raw]:
    old, new = attrgetter(first), attrgetter(second)
    return lambda resource: old(resource) if bytes(old(resource)) else new(resource)


_SUBJECT = attrgetter("subject")
_PATIENT = attrgetter("patient")
_NONE: frozenset[str] = frozenset()
_PLANS: dict[type[Resource], _Plan] = {
    resources.Condition: _Plan("Condition", _SUBJECT, None),
    resources.AllergyIntolerance: _Plan("AllergyIntolerance", _PATIENT, None),
    resources.Observation: _Plan("Observation", _SUBJECT, STATUSES - {_IN_ERROR, "preliminary"}),
    resources.DiagnosticReport: _Plan("DiagnosticReport", _SUBJECT, REPORT_STATUSES - {_IN_ERROR}),
    resources.Procedure: _Plan("Procedure", _SUBJECT, frozenset({"completed", "in-progress", "not-done"})),
    resources.MedicationRequest: _Plan("MedicationRequest", _SUBJECT, _NONE),
    resources.MedicationStatement: _Plan("MedicationStatement", _SUBJECT, frozenset({"active", "completed"})),
    resources.MedicationUsage: _Plan("MedicationUsage", _SUBJECT, _NONE),
    resources.MedicationAdministration: _Plan("MedicationAdministration", _SUBJECT, frozenset({"completed"})),
    resources.MedicationDispense: _Plan("MedicationDispense", _SUBJECT, frozenset({"completed"})),
    resources.Immunization: _Plan("Immunization", _PATIENT, frozenset({"completed", "not-done"})),
    resources.ServiceRequest: _Plan("ServiceRequest", _SUBJECT, _NONE),
    resources.Appointment: _Plan("Appointment", _SUBJECT, _NONE),
    resources.ResearchSubject: _Plan("ResearchSubject", _either("individual", "subject"), _NONE),
    resources.Consent: _Plan("Consent", _either("patient", "subject"), _NONE),
    resources.QuestionnaireResponse: _Plan("QuestionnaireResponse", _SUBJECT, frozenset({"completed", "amended"})),
}
_TREATMENTS = frozenset(
    {
        "Procedure", "MedicationRequest", "MedicationStatement", "MedicationUsage", "MedicationAdministration",
        "MedicationDispense", "Immunization", "ServiceRequest", "Appointment",
    }
)  # fmt: skip

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
    others: tuple[Candidate, ...]
    opened: Opened
    records: dict[str, list[Record]] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)
    warnings: list[Warning_] = field(default_factory=list)
    subject: Subject = field(init=False)
    _resolver: Resolver | None = None

    def __post_init__(self) -> None:
        self.subject = Subject(self.patient, self.others)

    @property
    def resolver(self) -> Resolver:
        """Made when first needed: many records refer to nothing that is asked for."""
        if self._resolver is None:
            self._resolver = Resolver(self.opened.entries)
        return self._resolver

    def warn(self, code: str, text: str, reference: str) -> None:
        """Note something."""
        self.warnings.append(Warning_(code, text, reference))


def gather(opened: Opened, wanted: str | None) -> Gathered:
    """Sort the entries. NoPatient, SeveralPatients or UnknownPatient where it is not clear whom they are about.

    The same resource twice counts once. Two that share an id but not their address are two. Two that share all of it
    and differ cannot both be right: neither counts.
    """
    warnings: list[Warning_] = []
    candidates, doubted = _patients(opened, warnings)
    chosen = choose(candidates, wanted)
    others = tuple(each for each in candidates if each is not chosen)
    gathered = Gathered(chosen, chosen.reference in doubted, others, opened, warnings=warnings)
    first: dict[str, Record] = {}
    shared: set[str] = set()
    lists: defaultdict[str, list[Record]] = defaultdict(list)
    about, patient = gathered.subject.seen, About.PATIENT
    broken = opened.broken
    # This loop runs over everything that was sent: what is as it should be goes through with a handful of look-ups.
    for entry in opened.entries:
        resource: Any = entry.resource
        plan = _PLANS.get(type(resource))
        if plan is None:
            continue
        name, subject_of, plain = plan
        id_ = resource.id
        reference = f"{name}/{id_}" if id_ else entry.full_url or _nameless(name, resource)
        record = Record(reference, name, resource)
        if first.setdefault(reference, record) is not record:
            shared.add(reference)
            continue
        if (
            about.get(bytes(subject_of(resource))) is not patient
            or (resource.status not in plain if plain is not None else may_be_in_error(resource))
            or resource.modifier_extension is not None
            or resource.implicit_rules is not None
            or (name == "Observation" and resource.focus is not None)
            or broken
        ):
            record.doubt = bool(broken) and id(resource) in broken
            if not _counts(record, plan, gathered):
                continue
        lists[name].append(record)
    if shared:
        _settle(shared, lists, gathered)
    for name, records in lists.items():
        if records:
            gathered.records[name] = records
            if any(not each.doubt for each in records):
                gathered.shown.add(name)
    return gathered


def _patients(opened: Opened, warnings: list[Warning_]) -> tuple[list[Candidate], set[str]]:
    """The Patients of the bundle, each once, and the references of those that are there with different content."""
    found: dict[str, Candidate] = {}
    doubted: set[str] = set()
    everyone: list[Any] = [each for each in opened.entries if type(each.resource) is resources.Patient]
    for entry in sorted(everyone, key=_content) if len(everyone) > 1 else everyone:
        resource = entry.resource
        reference = f"Patient/{resource.id}" if resource.id else entry.full_url or _nameless("Patient", resource)
        known = found.setdefault(reference, Candidate(reference, entry.full_url, resource))
        if known.resource is resource or known.resource == resource:  # a Patient has no raw elements
            continue
        if known.full_url and entry.full_url and known.full_url != entry.full_url:
            found[entry.full_url] = Candidate(entry.full_url, entry.full_url, resource)
        elif reference not in doubted:
            doubted.add(reference)
            warnings.append(Warning_("duplicate", f"{_TWICE} Sex, age and death are left open.", reference))
    return list(found.values()), doubted


_TWICE = "The Bundle has this resource more than once, with different content."


def _plain(entry: Entry) -> object:
    """What is read of a resource, without regard to how it was written."""
    return msgspec.json.decode(msgspec.json.encode(entry.resource))


def _content(entry: Entry) -> tuple[str, bytes]:
    return entry.full_url or "", msgspec.json.encode(entry.resource)


def _nameless(name: str, resource: Resource) -> str:
    """A name for what has none, made of what it says, so that it does not hang on its place in the bundle."""
    return f"{name} without id ({crc32(msgspec.json.encode(resource)):08x})"


def _settle(shared: set[str], lists: defaultdict[str, list[Record]], gathered: Gathered) -> None:
    """Decide about what was sent more than once."""
    for records in lists.values():
        records[:] = [each for each in records if each.reference not in shared]
    groups: dict[str, list[Any]] = {}
    entry: Any
    for entry in gathered.opened.entries:
        plan = _PLANS.get(type(entry.resource))
        if plan is not None:
            id_ = entry.resource.id
            reference = f"{plan.name}/{id_}" if id_ else entry.full_url or _nameless(plan.name, entry.resource)
            if reference in shared:
                groups.setdefault(reference, []).append(entry)
    broken = gathered.opened.broken
    for reference, entries in groups.items():
        different: list[Any] = []
        for entry in sorted(entries, key=_content):
            if not any(_plain(entry) == _plain(each) for each in different):
                different.append(entry)
        urls = {each.full_url for each in different if each.full_url}
        apart = len(urls) == len(different)
        clash = len(different) > 1 and not apart
        if clash:
            gathered.warn("duplicate", f"{_TWICE} None of them counts.", reference)
        for entry in different:
            plan = _PLANS[type(entry.resource)]
            name = entry.full_url if apart and len(different) > 1 and entry.full_url else reference
            record = Record(name, plan.name, entry.resource, clash or id(entry.resource) in broken)
            if _counts(record, plan, gathered):
                lists[plan.name].append(record)


def _counts(record: Record, plan: _Plan, gathered: Gathered) -> bool:
    """The second look: whether the record is the patient's and not in error; in doubt it may be, and a warning says
    why.
    """
    resource: Any = record.resource
    whom = gathered.subject.of_raw(plan.subject(resource))
    if whom is not About.PATIENT:
        whom = _elsewhere(resource, whom, gathered)
    if whom is About.OTHER:
        text = f"This {plan.name} is not about the patient and was not used."
        gathered.warn("other-subject", text, record.reference)
        return False
    in_error = is_in_error(resource) if plan.plain is None else resource.status == _IN_ERROR
    if in_error:
        text = f"This {plan.name} was entered in error and was not used."
        gathered.warn("entered-in-error", text, record.reference)
        return False
    if whom is About.NOBODY:
        text = f"This {plan.name} does not say whom it is about and does not count."
        gathered.warn("no-subject", text, record.reference)
        if gathered.others:
            return False
        record.doubt = True
    if not record.doubt:
        record.doubt = _is_doubtful(resource, plan, record.reference, gathered)
    return True


def _elsewhere(resource: Resource, whom: About, gathered: Gathered) -> About:
    """An Appointment has its patient among the participants."""
    if not isinstance(resource, resources.Appointment):
        return whom
    if any(gathered.subject.of(each.actor) is About.PATIENT for each in resource.participant or ()):
        return About.PATIENT
    return About.OTHER if whom is About.OTHER or resource.participant else About.NOBODY


def _is_doubtful(resource: Any, plan: _Plan, reference: str, gathered: Gathered) -> bool:
    """Whether something keeps us from saying what the resource means; the reason becomes a warning."""
    if resource.modifier_extension or resource.implicit_rules:
        what = "an extension that modifies it" if resource.modifier_extension else "implicit rules"
        text = f"This {plan.name} has {what} not known here, so it was not used."
        gathered.warn("unknown-modifier", text, reference)
        return True
    if plan.name in _TREATMENTS:
        missing = missing_modifier(resource)
        if missing is not None:
            text = (
                f"This {plan.name} has no {missing} that FHIR knows: it does not say what happened and does not count."
            )
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
