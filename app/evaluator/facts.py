"""What the evaluator may know of a patient: typed facts, and the Chart that hands them out.

`app/fhir` builds these from raw FHIR and is the only place that does. The evaluator never sees JSON. Dates are
`DateSpan`s (partial dates are intervals). Everything is frozen; a chart answers the same question the same way.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec

from app.knowledge.catalogue import Family

if TYPE_CHECKING:
    from app.criteria.time import DateSpan


class Coding(msgspec.Struct, frozen=True, gc=False):
    """One coding: `system` is the catalogue's short name where known ("snomed"), else the URI as sent, or "".

    `mapped` are the site's ConceptMaps and supplements by which alone it is known, or bears on what is asked ("" for
    any other).
    """

    system: str
    uri: str
    code: str
    display: str
    mapped: str = ""


class Coded(msgspec.Struct, frozen=True, gc=False):
    """A CodeableConcept: its codings (synonyms; any may match) and its text."""

    codings: tuple[Coding, ...] = ()
    text: str = ""


class Source(msgspec.Struct, frozen=True, gc=False):
    """Where a fact stands: `reference` is "Observation/123", or the fullUrl where the resource has no id."""

    reference: str
    type: str


class Certainty(Enum):
    """Condition and allergy verificationStatus, as far as it decides."""

    CONFIRMED = "confirmed"  # or absent
    SUSPECTED = "suspected"  # provisional, differential, unconfirmed
    REFUTED = "refuted"


class Activity(StrEnum):
    """Condition.clinicalStatus: active covers active, recurrence, relapse, and absent without a past abatement."""

    ACTIVE = "active"
    REMISSION = "remission"
    RESOLVED = "resolved"  # resolved, or abated while the status is absent
    INACTIVE = "inactive"
    UNKNOWN = "unknown"  # R5 "unknown", or a code that is none of these


class ConditionFact(msgspec.Struct, frozen=True, gc=False):
    """A Condition that counts (not entered in error, about this patient)."""

    source: Source
    code: Coded
    certainty: Certainty
    activity: Activity
    onset: DateSpan | None
    abatement: DateSpan | None
    recorded: DateSpan | None
    severity: Coded
    stages: tuple[Coded, ...]
    sites: tuple[Coded, ...]
    due_to: tuple[Coded, ...]
    due_to_references: tuple[str, ...]
    has_evidence: bool
    evidence_codes: tuple[Coded, ...]
    evidence_references: tuple[str, ...]


class Standing(Enum):
    """What a treatment record says happened."""

    HAPPENED = "happened"
    AGAINST = "against"  # not-done, not-taken, doNotPerform, stopped before start
    PLANNED = "planned"  # ServiceRequest, Appointment, preparation


class Amount(msgspec.Struct, frozen=True, gc=False):
    """A dose amount: number and UCUM code or the unit as written."""

    value: Decimal
    unit: str


class Dosing(msgspec.Struct, frozen=True, gc=False):
    """One dosage instruction. `per_day` is how often a day (exact), None where the timing does not say.

    `max_per_day` is maxDosePerPeriod per day. `strength_note` keeps dosage.text for people.
    """

    amount: Amount | None
    amount_high: Amount | None
    per_day: Decimal | None
    max_per_day: Amount | None
    as_needed: bool
    start: DateSpan | None
    end: DateSpan | None
    text: str


class TreatmentFact(msgspec.Struct, frozen=True, gc=False):
    """A drug exposure, procedure or planned event that counts.

    It runs from `start` to `end`; `ongoing` means it runs until asOf (active without an end). `end is None and not
    ongoing` means the end is not known: it certainly ran on its first day and may have run since. `moment` marks what
    happens on one day (Administration with a dateTime, Procedure with a dateTime).
    """

    source: Source
    family: Family
    code: Coded
    ingredients: tuple[Coded, ...]
    standing: Standing
    start: DateSpan | None
    end: DateSpan | None
    ongoing: bool
    routes: tuple[Coded, ...]
    dosing: tuple[Dosing, ...]
    sites: tuple[Coded, ...]
    reasons: tuple[Coded, ...]
    reason_references: tuple[str, ...]
    intent: tuple[Coded, ...]
    category: tuple[Coded, ...]
    start_path: str
    status: str


class AllergyFact(msgspec.Struct, frozen=True, gc=False):
    """An AllergyIntolerance that counts. Criticality and severities are as coded ("high", "severe")."""

    source: Source
    code: Coded
    reaction_substances: tuple[Coded, ...]
    manifestations: tuple[Coded, ...]
    certainty: Certainty
    activity: Activity
    criticality: str
    severities: tuple[str, ...]


class NumberValue(msgspec.Struct, frozen=True, gc=False):
    """valueQuantity or valueInteger: exact number, comparator ("" where none), UCUM `code` or `unit` as written."""

    value: Decimal
    comparator: str
    code: str
    unit: str
    system: str


class RangeValue(msgspec.Struct, frozen=True, gc=False):
    """valueRange: both ends inclusive; None is open."""

    low: NumberValue | None
    high: NumberValue | None


class CodedValue(msgspec.Struct, frozen=True, gc=False):
    """valueCodeableConcept."""

    coded: Coded


class TextValue(msgspec.Struct, frozen=True, gc=False):
    """valueString (decides only where the whole string is a result word or a scale value)."""

    text: str


class FlagValue(msgspec.Struct, frozen=True, gc=False):
    """valueBoolean."""

    value: bool


Value = NumberValue | RangeValue | CodedValue | TextValue | FlagValue


class ReferenceRange(msgspec.Struct, frozen=True, gc=False):
    """One referenceRange: bounds in the value's unit where it has none of its own; `applies` is appliesTo."""

    low: NumberValue | None
    high: NumberValue | None
    type: Coded
    applies: tuple[Coded, ...]
    age_low: NumberValue | None
    age_high: NumberValue | None


class ObservationFact(msgspec.Struct, frozen=True, gc=False):
    """An Observation, or one component of it, that counts. `path` is the FHIRPath of the value read.

    `when` is effective (or issued where effective is absent), None where neither is there. `instant` orders values of
    the same day where a time is given. `preliminary` calls for a warning. `objects` tell lesions apart (sites,
    identifiers).
    """

    source: Source
    code: Coded
    value: Value | None
    path: str
    when: DateSpan | None
    when_path: str
    instant: str
    preliminary: bool
    ranges: tuple[ReferenceRange, ...]
    interpretation: tuple[Coded, ...]
    sites: tuple[Coded, ...]
    method: Coded
    objects: tuple[str, ...]
    companions: tuple[ObservationFact, ...]
    """The other components of the same Observation (oxygen flow beside a saturation)."""


class StudyNature(Enum):
    """What the record says of a study: it tries a treatment, it observes, it may by its words, or nothing."""

    TREATS = "treats"
    OBSERVES = "observes"
    MAY_OBSERVE = "may observe"
    UNSAID = "unsaid"


class ParticipationFact(msgspec.Struct, frozen=True, gc=False):
    """A ResearchSubject: `taking_part` is true for on-study statuses; off-study ones ended at `end`."""

    source: Source
    status: str
    taking_part: bool
    took_part: bool
    start: DateSpan | None
    end: DateSpan | None
    study_ids: tuple[str, ...]
    study_title: str
    nature: StudyNature = StudyNature.UNSAID


class ConsentFact(msgspec.Struct, frozen=True, gc=False):
    """An active research Consent of this patient; `studies` are the ids it names (empty: not said)."""

    source: Source
    when: DateSpan | None
    permits: bool
    research: bool
    studies: tuple[str, ...]


class PatientFact(msgspec.Struct, frozen=True, gc=False):
    """The patient under evaluation."""

    source: Source
    gender: str
    birth: DateSpan | None
    deceased: bool
    deceased_on: DateSpan | None


class Warning_(msgspec.Struct, frozen=True, gc=False):  # noqa: N801 - `Warning` is Python's
    """Something in the bundle that did not count, or counted with a caveat."""

    code: str
    text: str
    reference: str


def warning_order(warning: Warning_) -> tuple[str, str, str]:
    """By the resource, then by what was wrong with it."""
    return warning.reference, warning.code, warning.text


class Match(Enum):
    """How a record's code meets a concept."""

    IS = "is"  # a coding is listed
    VAGUE = "vague"  # less specific than the question
    NAMED = "named"  # not listed, or text only, but its words name the concept
    UNPLACED = "unplaced"  # text only, unknown system, or a drug code that cannot be placed


F = TypeVar("F")


class Hit(msgspec.Struct, Generic[F], frozen=True, gc=False):
    """A record that bears on a concept, how, and by which coding (None for text)."""

    fact: F
    match: Match
    coding: Coding | None


INDEXES: tuple[str, ...] = (*map(str, Family), "ResearchSubject", "Consent")
"""What a chart looks its records up in: an index a family, and two more."""


def named(analyte: str) -> str:
    """The question for what names an analyte by its words, in the observations' index."""
    return f"?{analyte}"


def valued(concept: str) -> str:
    """The question for what is coded with a concept or has it as its value, in the observations' index."""
    return f"={concept}"


class Chart(Protocol):
    """One patient's record, indexed once. Hits are ordered by reference, so the order of entries is irrelevant."""

    @property
    def patient(self) -> PatientFact: ...
    @property
    def warnings(self) -> tuple[Warning_, ...]: ...
    def shown(self, family: Family) -> bool:
        """At least one resource of the family about this patient (not in error), an empty searchset, or `complete`."""
        ...

    def shown_type(self, resource_type: str) -> bool:
        """The same for a type outside the families (ResearchSubject, Consent)."""
        ...

    def count(self, family: Family) -> int:
        """How many resources of the family were looked through."""
        ...

    def unknown_codes(self, family: Family) -> int:
        """How many of them carry no code that the catalogue knows."""
        ...

    def touched(self, index: str) -> frozenset[str] | None:
        """The questions of one of INDEXES that some record may bear on; None where one may bear on any of them.

        Any other question finds nothing, as it would in a chart without records. Concepts are the questions of a
        family; those of observations are analytes, `named(analyte)` and `valued(concept)`.
        """
        ...

    def conditions(self, concept: str) -> tuple[Hit[ConditionFact], ...]: ...
    def treatments(self, concept: str, families: tuple[Family, ...]) -> tuple[Hit[TreatmentFact], ...]: ...
    def allergies(self, concept: str) -> tuple[Hit[AllergyFact], ...]: ...
    def all_allergies(self) -> tuple[AllergyFact, ...]: ...
    def observations(self, analyte: str) -> tuple[ObservationFact, ...]:
        """Usable observations of an analyte or scale, oldest first, undated ones first of all."""
        ...

    def named_observations(self, analyte: str) -> tuple[ObservationFact, ...]:
        """Observations without a listed code whose words name the analyte."""
        ...

    def concept_observations(self, concept: str) -> tuple[Hit[ObservationFact], ...]:
        """Observations coded with the concept itself, or whose coded value is it."""
        ...

    def participations(self) -> tuple[ParticipationFact, ...]: ...
    def consents(self) -> tuple[ConsentFact, ...]: ...
    def primaries(self) -> tuple[ConditionFact, ...]:
        """Every Condition that is a primary malignancy by the catalogue (not a metastasis), any status but in error."""
        ...

    def resolve(self, reference: str) -> Source | None:
        """The resource in the bundle that a reference means, None where it is not there."""
        ...
