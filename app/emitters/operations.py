"""The operations that Eligo serves as OperationDefinitions, and the statuses of a criterion as a CodeSystem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.emitters.fhir import pruned

if TYPE_CHECKING:
    from app.emitters.fhir import Resource, Target

VERSION = "1.0.0"
"""Of what is described here; it changes when a parameter or a code does."""
STATUSES = "eligo-criterion-status"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation; `type` is a FHIR type."""

    name: str
    use: str
    min: int
    max: str
    type: str
    documentation: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its code (without `$`), the resource type it is on, at which levels, and its parameters."""

    code: str
    name: str
    resource: str
    on_type: bool
    on_instance: bool
    affects_state: bool
    description: str
    parameters: tuple[Parameter, ...]


_RECORD = (
    Parameter("data", "in", 1, "1", "Bundle", "The patient's record; R4, R4B or R5."),
    Parameter("asOf", "in", 0, "1", "date", "The day on which the record is judged; default: today, UTC."),
    Parameter(
        "absence",
        "in",
        0,
        "1",
        "code",
        "`open`: nothing is concluded from absence; `closed`: always. Default: where the record shows that it has all.",
    ),
    Parameter("maxAge", "in", 0, "1", "string", "Values older than this decide nothing: P90D, P3M or days."),
    Parameter("complete", "in", 0, "*", "string", "A resource type of which the record has all there is."),
    Parameter("patient", "in", 0, "1", "string", "Who is meant, where the Bundle has several patients."),
)

OPERATIONS = (
    Operation(
        code="check-eligibility",
        name="CheckEligibility",
        resource="ResearchStudy",
        on_type=True,
        on_instance=True,
        affects_state=False,
        description="Judges a patient's record by the criteria of one study, or of several at type level. A bare "
        "Bundle may be sent in place of Parameters. Missing clinical data is no error: it is what the answer names.",
        parameters=(
            *_RECORD,
            Parameter(
                "study",
                "in",
                0,
                "*",
                "string",
                "At type level: the studies to judge by, as identifiers (`system|value` or the value); default: all.",
            ),
            Parameter(
                "return",
                "out",
                1,
                "1",
                "Resource",
                "A GuidanceResponse; at type level a collection Bundle of one for each study, best candidates first.",
            ),
        ),
    ),
    Operation(
        code="import",
        name="Import",
        resource="ResearchStudy",
        on_type=True,
        on_instance=False,
        affects_state=True,
        description="Reads a registration and stores it as a trial or as its next version. The body is the "
        "registration itself: a registry page as text/plain, a ClinicalTrials.gov study as application/json, or a "
        "ResearchStudy, alone or in a Bundle with its Group, as application/fhir+json.",
        parameters=(
            Parameter("study", "in", 1, "1", "Resource", "A ResearchStudy or a Bundle with one, sent bare."),
            Parameter("return", "out", 1, "1", "Bundle", "The resources made of it, as $package gives them."),
        ),
    ),
    Operation(
        code="package",
        name="Package",
        resource="ResearchStudy",
        on_type=False,
        on_instance=True,
        affects_state=False,
        description="Everything of one trial in one Bundle, which another engine can load and run.",
        parameters=(
            Parameter(
                "return",
                "out",
                1,
                "1",
                "Bundle",
                "ResearchStudy, Group, PlanDefinition, Library, Questionnaire, and the ValueSets that they use.",
            ),
        ),
    ),
    Operation(
        code="apply",
        name="Apply",
        resource="PlanDefinition",
        on_type=False,
        on_instance=True,
        affects_state=False,
        description="What to do next for a patient and a trial: tests to propose, questions to ask, and where nothing "
        "stands in the way, whom to contact. It never says that somebody is eligible.",
        parameters=(
            *_RECORD,
            Parameter("subject", "in", 0, "1", "string", "The patient, as a reference into `data`."),
            Parameter("return", "out", 1, "1", "Resource", "R4: a CarePlan with a RequestGroup. R5: a Bundle."),
        ),
    ),
)

_VERDICTS = (
    ("pass", "Pass", "It does not stand in the way: an inclusion criterion that holds, an exclusion that does not."),
    (
        "fail",
        "Fail",
        "It makes the patient ineligible: an inclusion that does not hold, an exclusion that does.",
    ),
    ("unknown", "Unknown", "Data would decide it, and the record does not have it, or not clearly."),
    ("review", "Review", "Only a person can tell."),
    ("note", "Note", "It binds nobody."),
)


def operation_definition(operation: Operation, target: Target) -> Resource:
    """The OperationDefinition."""
    return {
        "resourceType": "OperationDefinition",
        "id": operation_id(operation),
        "url": operation_url(operation, target),
        "version": VERSION,
        "name": operation.name,
        "status": "active",
        "kind": "operation",
        "affectsState": operation.affects_state,
        "description": operation.description,
        "code": operation.code,
        "resource": [operation.resource],
        "system": False,
        "type": operation.on_type,
        "instance": operation.on_instance,
        "parameter": [_parameter(each) for each in operation.parameters],
    }


def operation_id(operation: Operation) -> str:
    """Its logical id. `$apply` is defined by HL7 too, so this one carries our name."""
    return f"eligo-{operation.code}"


def operation_url(operation: Operation, target: Target) -> str:
    """Its canonical URL."""
    return f"{target.canonical.base}/OperationDefinition/{operation_id(operation)}"


def criterion_statuses(target: Target) -> Resource:
    """The CodeSystem of what a criterion comes to."""
    return pruned(
        {
            "resourceType": "CodeSystem",
            "id": STATUSES,
            "url": f"{target.canonical.base}/CodeSystem/{STATUSES}",
            "version": VERSION,
            "name": "EligoCriterionStatus",
            "title": "What a criterion comes to for a patient",
            "status": "active",
            "experimental": False,
            "caseSensitive": True,
            "content": "complete",
            "count": len(_VERDICTS),
            "concept": [{"code": code, "display": display, "definition": text} for code, display, text in _VERDICTS],
        }
    )


def _parameter(parameter: Parameter) -> Resource:
    return {
        "name": parameter.name,
        "use": parameter.use,
        "min": parameter.min,
        "max": parameter.max,
        "documentation": parameter.documentation,
        "type": parameter.type,
    }
