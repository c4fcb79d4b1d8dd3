"""The shapes of answers, for the API description. What is sent is made elsewhere; a test holds the two together."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic.alias_generators import to_camel


class Shape(BaseModel):
    """An object with exactly these members."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class Place(Shape):
    """One thing that is wrong, and where."""

    pointer: str = Field(description="JSON pointer into the body, or `/` and the name of a parameter")
    detail: str
    parameter: str = Field("", description="The parameter, where it is one")


class Problem(Shape):
    """An error, as RFC 9457 has it."""

    type: str = Field(examples=["urn:eligo:problem:trial-not-found"])
    title: str
    status: int
    detail: str = Field(description="What, where, and what to do next")
    errors: list[Place]


class TrialSummary(Shape):
    """What lists show of a trial."""

    id: str = Field(examples=["NCT03619954"])
    version: int
    title: str
    status: str
    phase: str
    conditions: list[str]


class TrialPage(Shape):
    """One page of the list of trials."""

    trials: list[TrialSummary]
    page: int
    page_size: int
    total: int
    next: str | None = Field(description="Where the next page is")


class Criterion(Shape):
    """One criterion as it was read."""

    id: str = Field(examples=["I3"])
    kind: Literal["inclusion", "exclusion"]
    number: str = Field(description="The mark it carries in the text")
    text: str
    span: tuple[int, int] = Field(description="Where it stands in the trial's `text`: [start, end)")
    reading: Literal["computable", "partial", "judgement", "note", "unread"]
    says: str = Field(description="The expression in plain words")
    expression: dict[str, Any] = Field(description="schemas/expression.schema.json")
    notes: list[str]


class Criteria(Shape):
    """Criteria as they were read."""

    criteria: list[Criterion]


class Trial(TrialSummary):
    """One version of a trial."""

    text: str = Field(description="What the spans point into")
    notes: list[str]
    criteria: list[Criterion]


class Registration(RootModel[dict[str, Any]]):
    """What the register says of a trial besides its criteria: schemas/registration.schema.json."""


class TrialName(Shape):
    """Which trial was judged. `version` is null where it came along with the record."""

    id: str
    version: int | None
    title: str


class Counts(Shape):
    """How many criteria have which status."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    passed: int = Field(alias="pass")
    fail: int
    unknown: int
    review: int
    note: int


class Code(Shape):
    """A code and its system."""

    system: str
    code: str


class Evidence(Shape):
    """One element that was read."""

    reference: str
    role: Literal["supports", "contradicts", "considered"]
    path: str = Field(description="FHIRPath")
    value: str
    effective: str
    code: Code | None
    stale: bool


class Missing(Shape):
    """A datum that would settle it."""

    type: str
    code: Code | None
    text: str
    window: str | None = Field(description="How recent it has to be, as an ISO 8601 duration")


class Question(Shape):
    """What only a person can answer."""

    link_id: str
    text: str


Basis = Literal["evidence", "absence", "not-applicable", "judgement", "none"]
Overall = Literal["eligible", "ineligible", "undetermined"]


class PartVerdict(Shape):
    """The verdict on an operand of a compound criterion."""

    id: str
    text: str
    span: tuple[int, int] | None
    says: str
    holds: bool | None
    basis: Basis
    explanation: str
    evidence: list[Evidence]
    missing: list[Missing]
    questions: list[Question]
    parts: list[PartVerdict]


class CriterionVerdict(Shape):
    """The verdict on a criterion."""

    id: str
    kind: Literal["inclusion", "exclusion"]
    text: str
    says: str
    status: Literal["pass", "fail", "unknown", "review", "note"]
    holds: bool | None = Field(description="Whether the criterion's own statement is true; null: not decided")
    basis: Basis
    explanation: str
    evidence: list[Evidence]
    missing: list[Missing]
    questions: list[Question]
    passes_from: date | None = Field(description="From when it would pass if nothing happens but waiting")
    parts: list[PartVerdict]


class Warned(Shape):
    """What in the record did not count, or only with a caveat."""

    code: str
    text: str
    reference: str


class Engine(Shape):
    """What judged."""

    version: str
    knowledge: str = Field(description="The digest of the catalogue")


class EligibilityReport(Shape):
    """The verdicts of one trial for one patient, in the order of the registration."""

    trial: TrialName
    patient: str
    as_of: date
    overall: Overall
    counts: Counts
    criteria: list[CriterionVerdict]
    warnings: list[Warned]
    engine: Engine


class SummaryName(TrialName):
    """Which trial was judged, and whether it recruits."""

    status: str


class TrialVerdict(Shape):
    """One trial in short; `fail`, `unknown` and `review` are ids of criteria."""

    trial: SummaryName
    overall: Overall
    counts: Counts
    fail: list[str]
    unknown: list[str]
    review: list[str]


class EligibilityOverview(Shape):
    """All trials for one patient, best candidates first."""

    patient: str
    as_of: date
    total: int = Field(description="How many trials were judged")
    results: list[TrialVerdict]
    warnings: list[Warned]
    engine: Engine


class Live(Shape):
    """The process answers."""

    status: Literal["live"]


class Ready(Shape):
    """Whether requests can be served."""

    status: Literal["ready", "not-ready"]
    database: Literal["current", "not-migrated", "unreachable"]
    workers: Literal["ready", "starting"]
