"""The closed union of nodes that a criterion is made of.

A node says what is asked; never how it is evaluated or printed. Every node keeps the words of the registration that it
was read from (`quote`, not compared: two criteria that mean the same are equal and are judged once per patient).
Every `match` over the union ends in `assert_never`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from app.criteria.time import Duration

ConceptId: TypeAlias = str
AnalyteId: TypeAlias = str
ScaleId: TypeAlias = str


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of the source text: `text` is `source[start:end]` up to white space."""

    text: str
    start: int
    end: int


class Op(StrEnum):
    """How a value is compared with a limit."""

    LT = "<"
    LE = "<="
    GE = ">="
    GT = ">"


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact number with its UCUM unit ("1" where it has none)."""

    value: Decimal
    unit: str


class NormalEnd(StrEnum):
    """Which end of the reference range of the same observation is meant."""

    UPPER = "ULN"
    LOWER = "LLN"


@dataclass(frozen=True, slots=True)
class NormalLimit:
    """`factor` x ULN (or LLN), plus a quantity where the text adds one ("PT > ULN + 4 s")."""

    end: NormalEnd
    factor: Decimal = Decimal(1)
    plus: Quantity | None = None


Limit: TypeAlias = Quantity | NormalLimit


@dataclass(frozen=True, slots=True)
class Bound:
    """One side of what a measured value must satisfy."""

    op: Op
    limit: Limit


class Timing(StrEnum):
    """When a fact must hold: now, at any time up to now, or inside a window that ends now."""

    CURRENT = "current"
    EVER = "ever"
    WITHIN = "within"


@dataclass(frozen=True, slots=True)
class When:
    """The time a fact is asked for.

    `within` needs `duration`: the window [asOf - duration, asOf]; `closed=False` leaves its first day out (a
    disease-free period "shorter than 5 years"). For `current` and `ever` there is no duration.
    """

    timing: Timing
    duration: Duration | None = None
    closed: bool = True


CURRENT = When(Timing.CURRENT)
EVER = When(Timing.EVER)


class State(StrEnum):
    """What must be true of one recorded instance for an exception to cover it."""

    ANY = "any"
    CURED = "cured"  # resolved or abated; remission leaves it open
    TREATED = "treated"  # decided by data only where resolved; else by a person
    STABLE = "stable"  # a person decides


@dataclass(frozen=True, slots=True)
class Except:
    """An exception on the instance, not on the patient: a recorded `concept` in `state` does not count.

    `only` is what must hold besides (Kleene: where it is unknown the instance leaves the fact unknown).
    """

    concept: ConceptId
    state: State = State.ANY
    only: Criterion | None = None
    quote: Quote | None = field(default=None, compare=False)


# --- logic -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple[Criterion, ...]
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Criterion, ...]
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Criterion
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class AtLeast:
    """At least `count` of the parts hold."""

    count: int
    parts: tuple[Criterion, ...]
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class If:
    """`then` where `condition` holds, else `otherwise`.

    Without `otherwise` the criterion speaks only of those for whom `condition` holds: for others it is true, with
    basis `not-applicable`. Where the condition is unknown but both branches agree, that is the answer.
    """

    condition: Criterion
    then: Criterion
    otherwise: Criterion | None = None
    quote: Quote | None = field(default=None, compare=False)


# --- facts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgeIs:
    """Age at asOf in completed years (or months, weeks, days: `unit` of the limit) satisfies every bound."""

    bounds: tuple[AgeBound, ...]
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class AgeBound:
    """`op` age: `<= 75 years` includes 75 years and 11 months, `< 75 years` does not include the 75th birthday."""

    op: Op
    age: Duration


class Sex(StrEnum):
    """Administrative gender as Patient.gender has it."""

    FEMALE = "female"
    MALE = "male"


@dataclass(frozen=True, slots=True)
class SexIs:
    """The recorded sex is `sex`; other and unknown leave it open."""

    sex: Sex
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class HasCondition:
    """A diagnosis, state or (where the catalogue says so) its test or procedure is recorded.

    `other_than` names the disease under study: exactly one primary of it never counts ("other malignancies").
    `degree` is a word such as "severe"; nothing there: false; there: coded degree or a person decides. `suspected`
    lets provisional, differential and unconfirmed diagnoses count. `due_to` is a cause ("caused by"). `defined_by` is
    the datum that decides whether what is there counts ("NYHA class >= II heart failure", "active hepatitis C (RNA
    positive)"): its true or false is the answer; where it is unknown, no such condition is false, else unknown.
    """

    concept: ConceptId
    when: When = CURRENT
    degree: str | None = None
    suspected: bool = False
    other_than: tuple[ConceptId, ...] = ()
    excluding: tuple[Except, ...] = ()
    due_to: ConceptId | None = None
    defined_by: Criterion | None = None
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ConfirmedBy:
    """The diagnosis of `concept` is confirmed by `method`: a pathology report or observation, or coded evidence."""

    concept: ConceptId
    method: str = "histology"
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Dose:
    """A bound on the daily dose; `equivalent` names the drug whose equivalent is meant (prednisone)."""

    op: Op
    per_day: Quantity
    equivalent: ConceptId | None = None


class Route(StrEnum):
    """How a drug is given, as criteria speak of it."""

    SYSTEMIC = "systemic"
    ORAL = "oral"
    PARENTERAL = "parenteral"
    INTRAVENOUS = "intravenous"
    INHALED = "inhaled"
    TOPICAL = "topical"
    NASAL = "nasal"
    OPHTHALMIC = "ophthalmic"
    INTRAARTICULAR = "intraarticular"
    INTRAPERITONEAL = "intraperitoneal"
    INTRATHECAL = "intrathecal"
    RECTAL = "rectal"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class HadTreatment:
    """A drug of a class, a procedure, radiotherapy, transfusion, cell therapy ... was given, taken or done.

    `routes`: only these count; `not_routes`: these do not. `sites`: body-site concepts (any one). `intent`:
    "palliative" or "curative". `planned`: a future event (ServiceRequest, Appointment). `reason`: the condition it is
    given for.
    """

    concept: ConceptId
    when: When = EVER
    dose: Dose | None = None
    degree: str | None = None
    routes: tuple[Route, ...] = ()
    not_routes: tuple[Route, ...] = ()
    sites: tuple[ConceptId, ...] = ()
    intent: str | None = None
    planned: bool = False
    reason: ConceptId | None = None
    excluding: tuple[Except, ...] = ()
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Elapsed:
    """At least `at_least` has passed since the last `treatment` ended; holds from that day on.

    With `half_lives`, the longer of `at_least` and that many half-lives of the drug. True where none was ever
    recorded and its types are shown. `treatment` is a HadTreatment (its `when` is not used) or a HasCondition.
    """

    treatment: HadTreatment | HasCondition
    at_least: Duration
    half_lives: int | None = None
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class HasAllergy:
    """An AllergyIntolerance to a substance of `concept` is recorded; `degree` as for conditions.

    `ever`: those that are over count too.
    """

    concept: ConceptId
    degree: str | None = None
    ever: bool = False
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class HadVaccine:
    """An immunization of a vaccine group was given."""

    concept: ConceptId
    when: When = EVER
    excluding: tuple[Except, ...] = ()
    quote: Quote | None = field(default=None, compare=False)


class Pick(StrEnum):
    """Which of several values decides."""

    LATEST = "latest"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Measured:
    """The value of an analyte satisfies every bound. `circumstance`: "room-air"; `formula`: the named derivation."""

    analyte: AnalyteId
    bounds: tuple[Bound, ...]
    within: Duration | None = None
    pick: Pick = Pick.LATEST
    circumstance: str | None = None
    formula: str | None = None
    quote: Quote | None = field(default=None, compare=False)


class Outcome(StrEnum):
    """The outcome of a qualitative test."""

    POSITIVE = "positive"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True)
class ResultIs:
    """The latest result of a qualitative test is `outcome`."""

    analyte: AnalyteId
    outcome: Outcome
    within: Duration | None = None
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ScoreBound:
    """A bound on an ordinal scale; `value` is one of the scale's values ("II", "C", "2+", "1")."""

    op: Op
    value: str


@dataclass(frozen=True, slots=True)
class Scored:
    """The latest value on an ordinal scale (ECOG, Karnofsky, NYHA, Child-Pugh, dipstick ...) satisfies every bound."""

    scale: ScaleId
    bounds: tuple[ScoreBound, ...]
    within: Duration | None = None
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class InStudy:
    """The patient takes or took part in another clinical study (never the trial under evaluation itself).

    `of_treatment`: only a study that tries a treatment counts; one that only observes does not.
    """

    when: When = CURRENT
    of_treatment: bool = False
    quote: Quote | None = field(default=None, compare=False)


class Reproductive(StrEnum):
    """States that only women can be in."""

    PREGNANT = "pregnant"
    BREASTFEEDING = "breastfeeding"
    CHILDBEARING = "childbearing-potential"


@dataclass(frozen=True, slots=True)
class ReproductiveIs:
    """Pregnant, breastfeeding (both open-world), or of childbearing potential (presumed by sex and age)."""

    state: Reproductive
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class GaveConsent:
    """A research Consent is active; otherwise a question."""

    question: str
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class IsAlive:
    """The patient is not recorded as deceased."""

    quote: Quote | None = field(default=None, compare=False)


# --- people ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judgement:
    """Only a person can tell. `question` is what to ask; it is true when the answer is yes."""

    question: str
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """Words that the reader could not read; a person decides whether they hold."""

    text: str
    quote: Quote | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Preference:
    """A wish that binds nobody ("priority should be given to ...")."""

    text: str
    quote: Quote | None = field(default=None, compare=False)


Logic: TypeAlias = AllOf | AnyOf | Not | AtLeast | If
Fact: TypeAlias = (
    AgeIs
    | SexIs
    | HasCondition
    | ConfirmedBy
    | HadTreatment
    | Elapsed
    | HasAllergy
    | HadVaccine
    | Measured
    | ResultIs
    | Scored
    | InStudy
    | ReproductiveIs
    | GaveConsent
    | IsAlive
)
People: TypeAlias = Judgement | NotUnderstood | Preference
Criterion: TypeAlias = Logic | Fact | People


def children(node: Criterion) -> tuple[Criterion, ...]:
    """The operands of a logic node, in order; a fact or a question has none."""
    match node:
        case AllOf(parts) | AnyOf(parts):
            return parts
        case AtLeast(parts=parts):
            return parts
        case Not(part):
            return (part,)
        case If(condition, then, otherwise):
            return (condition, then) if otherwise is None else (condition, then, otherwise)
        case _:
            return ()
