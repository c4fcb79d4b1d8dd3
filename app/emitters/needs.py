"""What a criterion asks of a record: resource types, and of results the codes. The ground for prefetch templates,
DataRequirements and whoever else must fetch before judging.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from app.criteria.nodes import (
    AgeIs,
    AllOf,
    AnyOf,
    AtLeast,
    ConfirmedBy,
    Criterion,
    Elapsed,
    GaveConsent,
    HadTreatment,
    HadVaccine,
    HasAllergy,
    HasCondition,
    If,
    InStudy,
    IsAlive,
    Judgement,
    Measured,
    Not,
    NotUnderstood,
    Preference,
    ReproductiveIs,
    ResultIs,
    Scored,
    SexIs,
    children,
)
from app.knowledge.catalogue import Family

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.criteria.nodes import Except
    from app.knowledge.catalogue import Catalogue, Code

_MEDICATIONS = ("MedicationRequest", "MedicationStatement", "MedicationAdministration", "MedicationDispense")
_TYPES = {
    Family.CONDITION: ("Condition",),
    Family.PROCEDURE: ("Procedure",),
    Family.MEDICATION: _MEDICATIONS,
    Family.IMMUNIZATION: ("Immunization",),
    Family.ALLERGY: ("AllergyIntolerance",),
}
_CHILDBEARING = ("Condition", "Procedure")


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One thing to fetch: a resource type, and for results the analyte or scale ("" where all of the type is meant).

    `codes` are those that a result, or the Observation around it, may carry; diagnoses, drugs and procedures are needed
    whole, for what is not there must be seen not to be.
    """

    type: str
    result: str = ""
    codes: tuple[Code, ...] = ()


def needs_of(node: Criterion, catalogue: Catalogue) -> tuple[Need, ...]:
    """Everything that judging the node may look at, each once, in order of type. The Patient is always needed."""
    return tuple(sorted(set(_needs(node, catalogue)), key=lambda each: (each.type, each.result)))


def needs_of_all(nodes: Iterable[Criterion], catalogue: Catalogue) -> tuple[Need, ...]:
    """The same for many criteria together."""
    found = {each for node in nodes for each in _needs(node, catalogue)}
    return tuple(sorted(found, key=lambda each: (each.type, each.result)))


def _needs(node: Criterion, catalogue: Catalogue) -> Iterator[Need]:
    match node:
        case AllOf() | AnyOf() | AtLeast() | Not() | If():
            for each in children(node):
                yield from _needs(each, catalogue)
        case HasCondition():
            yield from _concept(node.concept, catalogue)
            yield Need("Condition")
            if node.defined_by is not None:
                yield from _needs(node.defined_by, catalogue)
            yield from _exceptions(node.excluding, catalogue)
        case HadTreatment():
            yield from _concept(node.concept, catalogue)
            if node.planned:
                yield Need("ServiceRequest")
                yield Need("Appointment")
            if node.reason is not None:
                yield Need("Condition")
            yield from _exceptions(node.excluding, catalogue)
        case Elapsed(treatment=treatment):
            yield from _needs(treatment, catalogue)
        case ConfirmedBy():
            yield from _concept(node.concept, catalogue)
            yield Need("Condition")
            yield Need("DiagnosticReport")
            for each_id in ("pathology-report", "cytology-report"):
                yield from _result(each_id, catalogue)
        case HasAllergy():
            yield Need("AllergyIntolerance")
            yield Need("Condition")  # "allergy status to ..." is coded as a diagnosis
        case HadVaccine():
            yield Need("Immunization")
            yield from _exceptions(node.excluding, catalogue)
        case Measured(analyte=result) | ResultIs(analyte=result) | Scored(scale=result):
            yield from _result(result, catalogue)
        case InStudy():
            yield Need("ResearchSubject")
        case ReproductiveIs():
            for name in _CHILDBEARING:
                yield Need(name)
            for result in ("pregnancy-test-serum", "pregnancy-test-urine", "pregnancy-test"):
                yield from _result(result, catalogue)
        case GaveConsent():
            yield Need("Consent")
        case AgeIs() | SexIs() | IsAlive():
            yield Need("Patient")
        case Judgement() | NotUnderstood() | Preference():
            pass
        case _:
            assert_never(node)


def _concept(concept_id: str, catalogue: Catalogue) -> Iterator[Need]:
    concept = catalogue.concepts.get(concept_id)
    if concept is None:
        return
    for family in (*concept.families, *concept.also_in):
        if family is Family.OBSERVATION:
            yield Need("Observation", concept_id, concept.codes)
        else:
            yield from map(Need, _TYPES[family])
    graded = () if concept.graded_by is None else (concept.graded_by.scale,)
    for result in (*concept.results, *concept.hinted_by, *concept.traced_by, *graded):
        yield from _result(result, catalogue)


def _exceptions(excluding: tuple[Except, ...], catalogue: Catalogue) -> Iterator[Need]:
    for each in excluding:
        yield from _concept(each.concept, catalogue)
        if each.only is not None:
            yield from _needs(each.only, catalogue)


def _result(result: str, catalogue: Catalogue) -> Iterator[Need]:
    found = catalogue.analytes.get(result) or catalogue.scales.get(result)
    if found is None:
        return
    analyte = catalogue.analytes.get(result)
    yield Need("Observation", result, (*found.codes, *(analyte.panels if analyte is not None else ())))
    for each in analyte.inputs if analyte is not None else ():
        yield from _result(each, catalogue)
