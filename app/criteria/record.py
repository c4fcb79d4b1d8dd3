"""What a register says of a trial besides its criteria: one typed, frozen record, whatever form it was sent in.

Words of registers are in lower case with hyphens (`not-yet-recruiting`, `active-comparator`), whatever the source's own
spelling; names and prose are as sent. What a source does not give is "", (), or None: nothing is made up. Emitters turn
the record into resources; nothing judges by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.criteria.time import Duration


class IdentifierUse(StrEnum):
    """Whose number it is."""

    REGISTRY = "registry"  # the one that the trial is known by
    ORGANISATION = "organisation"  # the sponsor's own
    SECONDARY = "secondary"  # of another register, a grant, a funder
    ALIAS = "alias"  # a number that the register has withdrawn in favour of the first


@dataclass(frozen=True, slots=True)
class Identifier:
    """A number of the trial. `type` is the register's word (`eudract-number`, `nih`), `domain` who gave it."""

    value: str
    use: IdentifierUse
    type: str = ""
    domain: str = ""
    link: str = ""
    system: str = ""


@dataclass(frozen=True, slots=True)
class RegisteredDate:
    """A day, a month or a year as ISO 8601 writes it; `is_actual` is False for one that is only expected."""

    date: str
    is_actual: bool | None = None


@dataclass(frozen=True, slots=True)
class Organisation:
    """A sponsor or collaborator; `kind` is the register's word (`industry`, `nih`, `other`)."""

    name: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Official:
    """Who answers for the trial; `role` such as `principal-investigator`, `study-chair`."""

    name: str
    role: str = ""
    affiliation: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to ask; `role` such as `contact`, `backup`, `principal-investigator`."""

    name: str
    role: str = ""
    phone: str = ""
    extension: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the trial is done. `status` is the site's own, "" where it has that of the trial or none is given."""

    facility: str = ""
    status: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""
    latitude: Decimal | None = None
    longitude: Decimal | None = None
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm, or a group of an observational study. `interventions` are names of `Intervention`s."""

    label: str
    type: str = ""
    description: str = ""
    interventions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Intervention:
    """What is given or done; `type` such as `drug`, `device`, `procedure`. `arms` are labels of `Arm`s."""

    name: str
    type: str = ""
    description: str = ""
    other_names: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()


class OutcomeRank(StrEnum):
    """How much rests on an outcome."""

    PRIMARY = "primary"
    SECONDARY = "secondary"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class RegisteredOutcome:
    """What is measured to answer the trial's question."""

    measure: str
    rank: OutcomeRank
    description: str = ""
    time_frame: str = ""


@dataclass(frozen=True, slots=True)
class Objective:
    """A question of the trial, where the source states them (registers state outcomes instead)."""

    name: str
    type: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Design:
    """How the trial is built, in the register's words. `phases`: `early 1`, `1`, `2`, ...; () where it has none."""

    study_type: str = ""
    phases: tuple[str, ...] = ()
    primary_purpose: str = ""
    allocation: str = ""
    intervention_model: str = ""
    masking: str = ""
    who_masked: tuple[str, ...] = ()
    observational_model: str = ""
    time_perspective: str = ""


@dataclass(frozen=True, slots=True)
class Population:
    """Whom the trial takes, as far as fields say it. `sex`: `all`, `female`, `male`, ""; an open age end is None."""

    minimum_age: Duration | None = None
    maximum_age: Duration | None = None
    sex: str = ""
    is_gender_based: bool | None = None
    gender_description: str = ""
    healthy_volunteers: bool | None = None
    age_groups: tuple[str, ...] = ()
    sampling_method: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """How many take part; `is_actual` is False for a number that is only planned."""

    count: int
    is_actual: bool | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """A publication: `type` such as `background`, `result`; `pmid` its number in PubMed."""

    text: str
    type: str = ""
    pmid: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A page about the trial."""

    url: str
    label: str = ""


_NO_DESIGN = Design()
_NO_POPULATION = Population()


@dataclass(frozen=True, slots=True)
class RegistrationRecord:
    """A trial as its register describes it. `status` is as lists of trials show it, `unknown` where it is not given."""

    identifiers: tuple[Identifier, ...] = ()
    brief_title: str = ""
    official_title: str = ""
    acronym: str = ""
    summary: str = ""
    description: str = ""
    status: str = "unknown"
    last_known_status: str = ""
    why_stopped: str = ""
    design: Design = _NO_DESIGN
    population: Population = _NO_POPULATION
    enrolment: Enrolment | None = None
    conditions: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    sponsor: Organisation | None = None
    collaborators: tuple[Organisation, ...] = ()
    officials: tuple[Official, ...] = ()
    contacts: tuple[Contact, ...] = ()
    sites: tuple[Site, ...] = ()
    arms: tuple[Arm, ...] = ()
    interventions: tuple[Intervention, ...] = ()
    outcomes: tuple[RegisteredOutcome, ...] = ()
    objectives: tuple[Objective, ...] = ()
    start: RegisteredDate | None = None
    primary_completion: RegisteredDate | None = None
    completion: RegisteredDate | None = None
    first_submitted: RegisteredDate | None = None
    first_posted: RegisteredDate | None = None
    last_updated: RegisteredDate | None = None
    results_posted: RegisteredDate | None = None
    verified: RegisteredDate | None = None
    citations: tuple[Citation, ...] = ()
    links: tuple[Link, ...] = ()
