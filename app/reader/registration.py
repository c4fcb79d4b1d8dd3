"""What reading a registration gives: the trial's own facts and its criteria in order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from app.criteria.record import Population, RegistrationRecord
from app.criteria.time import Duration, TimeUnit
from app.errors import EligoError

if TYPE_CHECKING:
    from app.criteria.nodes import Criterion

UNTITLED = "Untitled trial"
_AGE = re.compile(r"\s*(\d{1,6}(?:\.\d{1,6})?)\s*(year|month|week|day|hour)s?\b", re.IGNORECASE)
_NO_AGE = re.compile(
    r"\W*(?:n\W?a|none|no (?:(?:age|upper|lower) )?(?:limit|maximum|minimum)(?: age)?|"
    r"not (?:applicable|available|specified|provided))?\W*",
    re.IGNORECASE,
)
_NONE_TAKEN = re.compile(r"\W*no\b(?! (?:limit|information))", re.IGNORECASE)
_TAKEN = re.compile(r"\W*(?:yes|accepts)\b", re.IGNORECASE)


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


class UnusableStudy(EligoError):
    """A registration that is not what its form says; `pointer` (JSON pointer, "" for text) says where."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(reason)
        self.pointer = pointer


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
class Registration:
    """A trial as registered. `text` is the source the spans point into; `id` is the number of a register, if any."""

    id: str | None
    record: RegistrationRecord
    text: str
    criteria: tuple[ReadCriterion, ...]
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What to call it; UNTITLED where nothing is said."""
        return self.record.brief_title or self.record.official_title or UNTITLED

    @property
    def status(self) -> str:
        return self.record.status

    @property
    def phase(self) -> str:
        """`2`, `1/2`, `early 1`; "" where it has none."""
        return "/".join(self.record.design.phases)

    @property
    def conditions(self) -> tuple[str, ...]:
        return self.record.conditions

    @property
    def sponsor(self) -> str:
        """The name of the lead sponsor, "" where none is given."""
        return self.record.sponsor.name if self.record.sponsor is not None else ""


def read_age(text: str) -> Duration | None:
    """`18 Years` as a registration writes it; None for an open end, and for what is no age (see `unread_ages`)."""
    match = _AGE.match(text)
    return Duration(Decimal(match[1]), TimeUnit(match[2].lower())) if match else None


def unread_ages(*texts: str) -> tuple[str, ...]:
    """Notes on ends of the age range that say something which was not read."""
    return tuple(
        f"The age limit “{each.strip()}” was not read."
        for each in texts
        if read_age(each) is None and not _NO_AGE.fullmatch(each)
    )


def read_population(minimum_age: str, maximum_age: str, sex: str, volunteers: str) -> Population:
    """The fields as pages and XML print them; "" where one is not given."""
    taken = False if _NONE_TAKEN.match(volunteers) else True if _TAKEN.match(volunteers) else None
    return Population(
        minimum_age=read_age(minimum_age),
        maximum_age=read_age(maximum_age),
        sex=register_word(sex) if register_word(sex) in {"all", "female", "male"} else "",
        healthy_volunteers=taken,
    )


def register_word(value: object) -> str:
    """A word of a register in lower case with hyphens: `ACTIVE_COMPARATOR` and "Active Comparator" alike."""
    return re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-") if isinstance(value, str) else ""
