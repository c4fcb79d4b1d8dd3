"""What data a criterion asks for, as DataRequirements: resource type, codes or value set, and how far back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

from app.criteria.codec import NODES
from app.criteria.nodes import (
    AgeIs,
    ConfirmedBy,
    Elapsed,
    GaveConsent,
    HadTreatment,
    HadVaccine,
    HasAllergy,
    HasCondition,
    InStudy,
    IsAlive,
    Measured,
    Reproductive,
    ReproductiveIs,
    ResultIs,
    Scored,
    SexIs,
    When,
)
from app.criteria.time import Duration, TimeUnit
from app.emitters.fhir import UCUM, coding, pruned
from app.emitters.group import UCUM_TIME, number_of
from app.emitters.needs import needs_of
from app.emitters.value_sets import value_set_canonical
from app.knowledge.catalogue import Family, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.criteria.nodes import Criterion
    from app.emitters.fhir import Resource, Target
    from app.knowledge.catalogue import Code

MEDICATIONS = ("MedicationRequest", "MedicationStatement", "MedicationAdministration", "MedicationDispense")
_CODE_PATH = {
    "Condition": "code",
    "Procedure": "code",
    "Immunization": "vaccineCode",
    "AllergyIntolerance": "code",
    "Observation": "value",
    **dict.fromkeys(MEDICATIONS, "medication"),
}
_DATE_PATH = {
    "Condition": "onset",
    "Procedure": "performed",
    "Immunization": "occurrence",
    "Observation": "effective",
    "MedicationRequest": "authoredOn",
    "MedicationStatement": "effective",
    "MedicationAdministration": "effective",
    "MedicationDispense": "whenHandedOver",
}
_R5_PATHS = {"performed": "occurrence", "MedicationAdministration": "occurence"}
_DAY_UNITS = {TimeUnit.HOUR: "hours", TimeUnit.DAY: "days", TimeUnit.WEEK: "weeks", TimeUnit.MONTH: "months"}


def requirements(node: Criterion, target: Target) -> list[Resource]:
    """Every datum that the criterion and its parts ask for, each once, in the order in which they are asked for."""
    found: list[Resource] = []
    for each in facts_of(node):
        for one in _of(each, target):
            if one not in found:
                found.append(one)
    # What is looked at besides (tests that hint at a disease, orders for what is planned) is asked for as a whole.
    for need in needs_of(node, target.catalogue):
        if need.codes:
            known = [each.get("codeFilter", [{}])[0].get("code") for each in found]
            found += [
                one for one in _observations(need.codes, None, target) if one["codeFilter"][0]["code"] not in known
            ]
        elif need.type not in {each["type"] for each in found}:
            found.append({"type": need.type})
    return found


def concepts_of(node: Criterion, target: Target) -> list[str]:
    """The concepts whose value sets the criterion uses, in order; those that the catalogue has."""
    named: dict[str, None] = {}
    for each in facts_of(node):
        for key in ("concept", "due_to", "reason"):
            named[str(getattr(each, key, None) or "")] = None
        for key in ("other_than", "sites"):
            named |= dict.fromkeys(getattr(each, key, ()))
        for exception in getattr(each, "excluding", ()):
            named[exception.concept] = None
        if isinstance(each, ReproductiveIs) and each.state is Reproductive.PREGNANT:
            named["pregnancy"] = None
    return [each for each in named if each in target.catalogue.concepts]


def facts_of(node: Criterion) -> Iterator[Criterion]:
    """The node and all nodes in it: parts, and those within exceptions and definitions."""
    waiting: list[Any] = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, NODES):
            yield cast("Criterion", each)
        inner: list[Any] = []
        for slot in dataclasses.fields(each):
            value = getattr(each, slot.name)
            values = value if isinstance(value, tuple) else (value,)
            inner += [one for one in values if dataclasses.is_dataclass(one) and slot.name != "quote"]
        waiting += inner[::-1]


def _of(node: Criterion, target: Target) -> Iterable[Resource]:
    catalogue = target.catalogue
    match node:
        case AgeIs():
            return [{"type": "Patient", "mustSupport": ["birthDate"]}]
        case SexIs():
            return [{"type": "Patient", "mustSupport": ["gender"]}]
        case IsAlive():
            return [{"type": "Patient", "mustSupport": ["deceased"]}]
        case HasCondition(concept, when) | HadVaccine(concept, when) | HadTreatment(concept, when):
            tests = catalogue.concepts[concept].results if concept in catalogue.concepts else ()
            results = [one for each in tests for one in _observations(catalogue.analytes[each].codes, None, target)]
            return [*_records(concept, when, target), *results]
        case HasAllergy(concept) if concept in catalogue.concepts:
            if catalogue.concepts[concept].kind is not Kind.ALLERGEN:
                return [{"type": "AllergyIntolerance"}]  # a record of a class of drugs may be one of this drug, too
            return [_coded("AllergyIntolerance", concept, None, target)]
        case HasAllergy():
            return []
        case ConfirmedBy(concept):
            return [*_records(concept, None, target), {"type": "DiagnosticReport"}]
        case Measured(analyte, within=within) | ResultIs(analyte, within=within):
            return _analytes(analyte, within, target)
        case Scored(scale, within=within) if scale in catalogue.scales:
            return _observations(catalogue.scales[scale].codes, within, target)
        case InStudy():
            return [{"type": "ResearchSubject"}]
        case ReproductiveIs(Reproductive.PREGNANT):
            return [*_records("pregnancy", None, target), *_analytes("pregnancy-test", None, target)]
        case ReproductiveIs():
            return [{"type": "Patient", "mustSupport": ["gender", "birthDate"]}]
        case GaveConsent():
            return [{"type": "Consent"}]
        case Elapsed():
            return ()  # what has to be over is a node of its own, and comes next
        case _:
            return ()


def _records(concept: str, when: When | None, target: Target) -> Iterator[Resource]:
    """The resources in which a concept may be recorded."""
    found = target.catalogue.concepts.get(concept)
    window = when.duration if when is not None else None
    for family in (*found.families, *found.also_in) if found is not None else ():
        for each in MEDICATIONS if family is Family.MEDICATION else (family.value,):
            yield _coded(each, concept, window, target)


def _coded(resource_type: str, concept: str, window: Duration | None, target: Target) -> Resource:
    path = _CODE_PATH[resource_type]
    return pruned(
        {
            "type": resource_type,
            "mustSupport": [path],
            "codeFilter": [{"path": path, "valueSet": value_set_canonical(concept, target)}],
            "dateFilter": _date_filter(resource_type, window, target),
        }
    )


def _analytes(analyte: str, within: Duration | None, target: Target) -> list[Resource]:
    """The analyte, and what it is worked out from where it is not reported."""
    catalogue = target.catalogue
    found = catalogue.analytes.get(analyte)
    if found is None:
        return []
    made = [*_observations(found.codes, within, target)]
    for each in found.inputs:
        if each in catalogue.analytes:
            made += _observations(catalogue.analytes[each].codes, None, target)
    return made


def _observations(codes: Iterable[Code], within: Duration | None, target: Target) -> list[Resource]:
    listed = [coding(target.catalogue, each) for each in codes]
    if not listed:
        return []
    return [
        pruned(
            {
                "type": "Observation",
                "mustSupport": ["code", "value", "effective"],
                "codeFilter": [{"path": "code", "code": listed}],
                "dateFilter": _date_filter("Observation", within, target),
            }
        )
    ]


def _date_filter(resource_type: str, window: Duration | None, target: Target) -> list[Resource]:
    path = _DATE_PATH.get(resource_type)
    if window is None or path is None:
        return []
    if target.is_r5:
        path = _R5_PATHS.get(resource_type, _R5_PATHS.get(path, path))
    return [{"path": path, "valueDuration": duration(window)}]


def duration(length: Duration) -> Resource:
    """A FHIR Duration."""
    unit = _DAY_UNITS.get(length.unit, "years")
    return {"value": number_of(length.count), "unit": unit, "system": UCUM, "code": UCUM_TIME[length.unit]}
