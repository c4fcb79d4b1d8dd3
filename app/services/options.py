"""How a caller wants a record judged, checked: the query of the API and the options of the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

from app.criteria.time import Duration, TimeUnit
from app.errors import EligoError

if TYPE_CHECKING:
    from collections.abc import Iterable

Absence: TypeAlias = Literal["default", "open", "closed"]

_ASKED_FOR = frozenset(
    {
        "AllergyIntolerance",
        "Appointment",
        "Condition",
        "Consent",
        "Immunization",
        "MedicationAdministration",
        "MedicationDispense",
        "MedicationRequest",
        "MedicationStatement",
        "MedicationUsage",
        "Observation",
        "Procedure",
        "ResearchSubject",
        "ServiceRequest",
    }
)
_OTHERS = frozenset(
    {
        "AdverseEvent",
        "Basic",
        "BodyStructure",
        "CarePlan",
        "CareTeam",
        "Claim",
        "ClinicalImpression",
        "Communication",
        "CommunicationRequest",
        "Composition",
        "Coverage",
        "DetectedIssue",
        "Device",
        "DeviceRequest",
        "DeviceUsage",
        "DeviceUseStatement",
        "DiagnosticReport",
        "DocumentReference",
        "Encounter",
        "EpisodeOfCare",
        "ExplanationOfBenefit",
        "FamilyMemberHistory",
        "Flag",
        "Goal",
        "GuidanceResponse",
        "ImagingStudy",
        "ImmunizationEvaluation",
        "ImmunizationRecommendation",
        "List",
        "Location",
        "Media",
        "Medication",
        "MolecularSequence",
        "NutritionIntake",
        "NutritionOrder",
        "Organization",
        "Patient",
        "Practitioner",
        "PractitionerRole",
        "Provenance",
        "QuestionnaireResponse",
        "RelatedPerson",
        "RequestGroup",
        "RequestOrchestration",
        "RiskAssessment",
        "Schedule",
        "Slot",
        "Specimen",
        "SupplyDelivery",
        "SupplyRequest",
        "Task",
        "VisionPrescription",
    }
)
COMPLETE = _ASKED_FOR | _OTHERS
"""The types that may be called complete: those that criteria ask for, and others of a patient's record, which a caller
may list as truthfully and which change nothing. Any other name is misspelt: it would be believed to count."""

_NAMES = f" *(?:{'|'.join(sorted(COMPLETE))})? *"
COMPLETES = f"^{_NAMES}(?:,{_NAMES})*$"
"""What `complete` looks like: for the API description, as `DAYS` and `DURATIONS` are."""

EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DURATION = re.compile(r"(?:P([0-9]{1,6})([DWMY])|([0-9]{1,6}))")
DAYS = r"^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$"
DURATIONS = rf"^{_DURATION.pattern}$"
_UNITS = {"D": TimeUnit.DAY, "W": TimeUnit.WEEK, "M": TimeUnit.MONTH, "Y": TimeUnit.YEAR}


class BadParameter(EligoError):
    """A parameter that cannot be used; `name` says which."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The parameter `{name}` {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Options:
    """One request to judge. `as_of` is never left to a default here: the same options give the same answer."""

    as_of: date
    absence: Absence = "default"
    max_age: Duration | None = None
    complete: frozenset[str] = frozenset()
    patient: str | None = None
    incomplete: frozenset[str] = frozenset()
    """Types of which some is known to be lacking (a page that was not sent): these show nothing."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which candidates are wanted: at most so many whole reports, of trials of which so large a share of the criteria
    is met (0 to 1). `ordered` is the record with orders that are about to be placed.
    """

    most: int
    least_met: float = 0.0
    with_ineligible: bool = False
    ordered: bytes | None = None


def read_day(text: str) -> date | None:
    """A day as ISO 8601 writes it, in a range that a record may speak of; None for anything else."""
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None
    return day if day is not None and EARLIEST <= day <= LATEST else None


def read_max_age(text: str) -> Duration:
    """`P90D`, `P12W`, `P3M`, `P1Y`, or a plain number of days."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise BadParameter("maxAge", "is a duration such as P90D, P12W, P3M or P1Y, or a number of days.")
    count, unit, days = found.groups()
    return Duration(Decimal(count or days), _UNITS[unit] if unit else TimeUnit.DAY)


def read_complete(given: Iterable[str]) -> frozenset[str]:
    """Resource types, one or several (comma-separated) in each."""
    names = frozenset(name.strip(" ") for each in given for name in each.split(",") if name.strip(" "))
    unknown = sorted(names - COMPLETE)
    if unknown:
        raise BadParameter(
            "complete",
            f"names resource types; {', '.join(map(repr, unknown))} is none of a patient's record. "
            f"Those that criteria ask for are {', '.join(sorted(_ASKED_FOR))}.",
        )
    return names
