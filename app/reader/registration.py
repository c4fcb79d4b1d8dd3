"""What reading a registration gives: the trial's own facts and its criteria in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.criteria.nodes import Criterion


class Kind(StrEnum):
    """Which list a criterion stands in."""

    INCLUSION = "inclusion"
    EXCLUSION = "exclusion"


class Reading(StrEnum):
    """How far a criterion was understood (contract: Trial.criteria[].reading)."""

    COMPUTABLE = "computable"
    PARTIAL = "partial"
    JUDGEMENT = "judgement"
    NOTE = "note"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class ReadCriterion:
    """One criterion: where it stands, and what it was read as.

    `span` is [start, end) in the registration's text; `number` is the mark it carries there ("3", "" for a bullet).
    `expression` speaks in the frame of `kind`: under an exclusion, true means excluded.
    """

    id: str
    kind: Kind
    number: str
    text: str
    span: tuple[int, int]
    reading: Reading
    expression: Criterion
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StructuredBounds:
    """Eligibility fields that a registration gives outside its text; "" where not given."""

    minimum_age: str = ""
    maximum_age: str = ""
    sex: str = ""
    healthy_volunteers: str = ""


@dataclass(frozen=True, slots=True)
class Registration:
    """A trial as registered. `text` is the source the spans point into."""

    id: str | None
    title: str
    status: str
    phase: str
    conditions: tuple[str, ...]
    text: str
    criteria: tuple[ReadCriterion, ...]
    sponsor: str = ""
    bounds: StructuredBounds = field(default_factory=StructuredBounds)
    notes: tuple[str, ...] = ()
