"""Stored trials as FHIR resources, and verdicts on records as FHIR: plain functions without I/O, for worker processes.

They take the stored JSON and give JSON bytes; the catalogue and the canonical base are those of the desk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from app.criteria.codec import decode, decode_record
from app.criteria.record import RegistrationRecord
from app.emitters.fhir import FhirVersion, PublishedCriterion, PublishedTrial, Target
from app.emitters.guidance import collected, guidance_response
from app.emitters.next_steps import next_steps
from app.emitters.package import package, resource_of
from app.emitters.prose import says
from app.emitters.research_study import identifiers_of
from app.emitters.value_sets import concept_coding, concept_named
from app.services import core
from app.services.reading import dumps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.emitters.fhir import Resource
    from app.knowledge.catalogue import Catalogue
    from app.services.core import Desk, TrialKey
    from app.services.options import Options

_BEST_FIRST = ("eligible", "undetermined", "ineligible")


class StoredTrial(NamedTuple):
    """A stored version as the store gives it: JSON texts; `record` is "" for one from before records were kept."""

    version: int
    document: str
    record: str


class Made(NamedTuple):
    """A resource as bytes, and the version id under which it is served."""

    version_id: str
    content: bytes


def publish(desk: Desk, trials: Sequence[StoredTrial], types: Sequence[str], fhir: FhirVersion) -> list[Made]:
    """The resources of these types for each of these trials, trial by trial."""
    target = _target(desk, fhir)
    made = []
    for stored in trials:
        trial = _published(stored, desk)
        made += [made_of(resource_of(each, trial, target), trial_version_id(stored.version, target)) for each in types]
    return made


def publish_package(desk: Desk, stored: StoredTrial, fhir: FhirVersion) -> bytes:
    """Everything of one trial in one Bundle."""
    return dumps(package(_published(stored, desk), _target(desk, fhir)))


def code_conditions(desk: Desk, words: Sequence[str]) -> list[tuple[tuple[str, str], ...]]:
    """For each condition of a registration, the codes it has as (system, code); () where the catalogue has none."""
    target = _target(desk, FhirVersion.R4)
    found = [concept_named(each, desk.catalogue) for each in words]
    return [
        () if each is None else tuple((one["system"], one["code"]) for one in concept_coding(each, target))
        for each in found
    ]


def registry_numbers(desk: Desk, records: Sequence[tuple[str, str]]) -> list[tuple[tuple[str, str], ...]]:
    """For each trial's id and record, the (system, value) of every identifier that its ResearchStudy has."""
    base = desk.canonical.base
    return [
        tuple(
            (each.get("system", ""), each["value"])
            for each in identifiers_of(trial_id, decode_record(RegistrationRecord, orjson.loads(record)), base)
        )
        for trial_id, record in records
    ]


def check(
    desk: Desk, keys: Sequence[TrialKey], inline: Sequence[bytes], bundle: bytes, options: Options, fhir: FhirVersion,
    *, is_one: bool,
) -> bytes:  # fmt: skip
    """A GuidanceResponse; or for several studies a collection of them, best candidates first."""
    trials = [desk.trials[each] for each in keys] + [core.inline_trial(each, desk) for each in inline]
    reports = [orjson.loads(each) for each in core.judge_each(trials, bundle, options, desk)]
    target = _target(desk, fhir)
    if is_one:
        return dumps(guidance_response(reports[0], target))
    return dumps(collected(guidance_response(each, target) for each in sorted(reports, key=_rank)))


def apply(desk: Desk, key: TrialKey, stored: StoredTrial, bundle: bytes, options: Options, fhir: FhirVersion) -> bytes:
    """What to do next for the patient and the trial."""
    report = orjson.loads(core.judge(desk.trials[key], bundle, options, desk))
    return dumps(next_steps(report, _published(stored, desk), _target(desk, fhir)))


def published_trial(version: int, document: str, record: str, catalogue: Catalogue) -> PublishedTrial:
    """A stored version as emitters take it."""
    trial = orjson.loads(document)
    told = decode_record(RegistrationRecord, orjson.loads(record)) if record else RegistrationRecord()
    return PublishedTrial(
        id=trial["id"],
        version=version,
        title=trial["title"],
        status=trial["status"],
        phase=trial["phase"],
        conditions=tuple(trial["conditions"]),
        text=trial["text"],
        criteria=tuple(_criterion(each, catalogue) for each in trial["criteria"]),
        record=told,
    )


def trial_version_id(version: int, target: Target) -> str:
    """The version id of a trial's resources: that of the trial, and of the catalogue whose codes they name."""
    return f"{version}.{target.knowledge_version()}"


def _target(desk: Desk, fhir: FhirVersion) -> Target:
    return Target(fhir, desk.canonical, desk.catalogue)


def _published(stored: StoredTrial, desk: Desk) -> PublishedTrial:
    return published_trial(stored.version, stored.document, stored.record, desk.catalogue)


def made_of(resource: Resource, version_id: str) -> Made:
    """A resource as it is served."""
    head = {"resourceType": resource["resourceType"], "id": resource["id"], "meta": {"versionId": version_id}}
    return Made(version_id, dumps({**head, **resource}))


def _rank(report: dict[str, Any]) -> tuple[int, int, int, str]:
    """Best candidates first, as in the summaries of all trials: least in the way, then least open."""
    counts = report["counts"]
    first = _BEST_FIRST.index(report["overall"])
    return first, counts["fail"], counts["unknown"] + counts["review"], report["trial"]["id"]


def _criterion(stored: dict[str, Any], catalogue: Catalogue) -> PublishedCriterion:
    expression = decode(stored["expression"])
    start, end = stored["span"]
    return PublishedCriterion(
        id=stored["id"],
        kind=stored["kind"],
        number=stored["number"],
        text=stored["text"],
        span=(start, end),
        reading=stored["reading"],
        says=says(expression, catalogue),
        expression=expression,
        notes=tuple(stored["notes"]),
    )
