"""Stored trials as FHIR resources: plain functions without I/O, from the stored JSON to bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from app.criteria.codec import decode, decode_record
from app.criteria.record import RegistrationRecord
from app.emitters.fhir import PublishedCriterion, PublishedTrial
from app.emitters.prose import says

if TYPE_CHECKING:
    from app.knowledge.catalogue import Catalogue


def published_trial(version: int, document: str, record: str, catalogue: Catalogue) -> PublishedTrial:
    """A stored version as emitters take it; `record` is "" for one from before records were kept."""
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
