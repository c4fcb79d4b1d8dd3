"""The shapes of answers, for the API description. What is sent is made elsewhere; a test holds the two together."""

from __future__ import annotations

from datetime import date, datetime
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
    remedy: str = Field("", description="What to do about it, where that is known")


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


class TrialCriterion(Criterion):
    """One criterion of a stored trial."""

    reviewed: bool = Field(description="Whether a person has given or confirmed this reading")


class Review(Shape):
    """Who corrected the reading, when, and the version that this made."""

    by: str = Field(description="The subject of the token; `anonymous` where no authentication is configured")
    at: datetime
    version: int


class Trial(TrialSummary):
    """One version of a trial."""

    reviewed: bool = Field(
        description="Whether a person's reading is in force, and the words are those it was given for"
    )
    review: Review | None
    text: str = Field(description="What the spans point into")
    notes: list[str]
    criteria: list[TrialCriterion]


class FieldChange(Shape):
    """A field of the registration that is another one now."""

    field: Literal["title", "status", "phase", "conditions"]
    before: str | list[str]
    after: str | list[str]


class ChangedCriterion(Shape):
    """A criterion on one side of a change."""

    id: str
    kind: Literal["inclusion", "exclusion"]
    number: str
    text: str
    reading: Literal["computable", "partial", "judgement", "note", "unread"]
    says: str
    reviewed: bool


class WordRun(Shape):
    """Words that are the same, dropped or added, in reading order."""

    op: Literal["same", "dropped", "added"]
    text: str


class PartChange(Shape):
    """A part of the expression in plain words; null where there is none."""

    before: str | None
    after: str | None


class CriterionChange(Shape):
    """What happened to a criterion."""

    changes: list[Literal["added", "dropped", "reworded", "moved", "reread"]]
    affects_verdicts: bool = Field(description="Whether a patient can be judged differently by it")
    before: ChangedCriterion | None
    after: ChangedCriterion | None
    words: list[WordRun]
    parts: list[PartChange]


class ChangeCounts(Shape):
    """How many criteria changed in which way; one may in several."""

    added: int
    dropped: int
    reworded: int
    moved: int
    reread: int
    unchanged: int


class TrialDiff(Shape):
    """What an amendment changed."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)

    id: str
    from_version: int = Field(alias="from")
    to_version: int = Field(alias="to")
    fields: list[FieldChange]
    counts: ChangeCounts
    affects_verdicts: bool
    criteria: list[CriterionChange]


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
    map: str = Field(
        "",
        description="The site's ConceptMap or CodeSystem supplement by which alone the code is known",
    )


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
