"""A small catalogue and short ways to write resources, so that a test reads like the record it is about."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

from app.fhir.chart import PatientChart, read_chart
from app.knowledge.catalogue import (
    Analyte,
    Catalogue,
    Code,
    Concept,
    Drug,
    Family,
    Kind,
    Lexicon,
    Measure,
    Product,
    ResultWords,
    Scale,
    ScaleValue,
    System,
)
from app.knowledge.index import build_index

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
UCUM = "http://unitsofmeasure.org"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
GTS = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"


def _concept(id_: str, kind: Kind, names: tuple[str, ...], codes: tuple[Code, ...], **more: Any) -> Concept:
    families = more.pop("families", (Family.CONDITION,))
    return Concept(id_, kind, names[0], names, families, codes, source="SNOMED CT, ICD-10-CM, RxNorm", **more)


def _snomed(code: str, display: str) -> Code:
    return Code(System.SNOMED, code, display)


def make_catalogue() -> Catalogue:
    """Eight concepts, three results, one drug."""
    concepts = [
        _concept(
            "lung-cancer",
            Kind.CONDITION,
            ("lung cancer",),
            (
                _snomed("254637007", "Non-small cell lung cancer"),
                Code(System.ICD10CM, "C34", "Malignant neoplasm of lung"),
            ),
            malignancy=True,
        ),
        _concept(
            "brain-metastasis",
            Kind.CONDITION,
            ("brain metastasis", "cerebral metastasis"),
            (_snomed("94225005", "Secondary malignant neoplasm of brain"),),
            malignancy=True,
            metastasis=True,
        ),
        _concept(
            "diabetes",
            Kind.CONDITION,
            ("diabetes", "diabetes mellitus"),
            (_snomed("73211009", "Diabetes mellitus"),),
            includes=("type-2-diabetes",),
            not_named=("diabetes insipidus",),
        ),
        _concept(
            "type-2-diabetes",
            Kind.CONDITION,
            ("type 2 diabetes",),
            (_snomed("44054006", "Diabetes mellitus type 2"), Code(System.ICD10CM, "E11", "Type 2 diabetes mellitus")),
            broader=(_snomed("73211009", "Diabetes mellitus"),),
        ),
        _concept("tumour-of-lung", Kind.CONDITION, ("lung tumour",), (_snomed("126713003", "Neoplasm of lung"),)),
        _concept(
            "transfusion",
            Kind.TREATMENT,
            ("transfusion of red cells",),
            (_snomed("116863004", "Transfusion of red blood cells"),),
            families=(Family.PROCEDURE,),
        ),
        _concept(
            "corticosteroid",
            Kind.TREATMENT,
            ("corticosteroid", "prednisone"),
            (Code(System.RXNORM, "8640", "Prednisone"),),
            families=(Family.MEDICATION,),
        ),
    ]
    analytes = [
        Analyte("haemoglobin", "haemoglobin", ("haemoglobin", "hb"), Measure.QUANTITY, _loinc("718-7"), "g/L", "LOINC"),
        Analyte("systolic", "systolic blood pressure", (), Measure.QUANTITY, _loinc("8480-6"), "mm[Hg]", "LOINC"),
        Analyte("diastolic", "diastolic blood pressure", (), Measure.QUANTITY, _loinc("8462-4"), "mm[Hg]", "LOINC"),
    ]
    scale = Scale("ecog", "ECOG performance status", (), _loinc("89247-1"), (ScaleValue("0", (), ("0",)),), "LOINC")
    by_id = {each.id: each for each in concepts}
    drugs = {"8640": Drug("8640", "Prednisone")}
    products = {"198145": Product("198145", ("8640",))}
    results = {each.id: each for each in analytes}
    scales = {scale.id: scale}
    systems = {SNOMED: System.SNOMED, LOINC: System.LOINC, RXNORM: System.RXNORM, ICD10CM: System.ICD10CM}
    systems["urn:oid:2.16.840.1.113883.6.96"] = System.SNOMED
    units: Any = None  # no test here converts anything
    return Catalogue(
        concepts=by_id,
        analytes=results,
        scales=scales,
        drugs=drugs,
        products=products,
        routes=MappingProxyType({}),
        words=ResultWords((), (), frozenset(), frozenset()),
        lexicon=Lexicon(),
        systems=systems,
        histology=(),
        modifiers={},
        units=units,
        digest="test",
        index=build_index(by_id, results, scales, drugs, products),
    )


def _loinc(code: str) -> tuple[Code, ...]:
    return (Code(System.LOINC, code, ""),)


CATALOGUE = make_catalogue()
ME = {"reference": "Patient/p1"}
PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1966-03-14"}


def coded(system: str, code: str, display: str = "") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def condition(id_: str, code: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "Condition", "id": id_, "code": code, "subject": ME, **more}


def observation(id_: str, code: str, **more: Any) -> dict[str, Any]:
    body = {"resourceType": "Observation", "id": id_, "status": "final", "code": coded(LOINC, code), "subject": ME}
    return {**body, **more}


def haemoglobin(id_: str, value: float, when: str, **more: Any) -> dict[str, Any]:
    quantity = {"value": value, "unit": "g/dL", "system": UCUM, "code": "g/dL"}
    return observation(id_, "718-7", effectiveDateTime=when, valueQuantity=quantity, **more)


def prednisone(kind: str, id_: str, **more: Any) -> dict[str, Any]:
    body = {"resourceType": kind, "id": id_, "status": "active", "subject": ME}
    return {**body, "medicationCodeableConcept": coded(RXNORM, "198145", "prednisone 10 MG Oral Tablet"), **more}


def order(id_: str = "rx", **more: Any) -> dict[str, Any]:
    return prednisone("MedicationRequest", id_, **{"intent": "order", **more})


def bundle(*entries: dict[str, Any], kind: str = "collection", **more: Any) -> bytes:
    """A Bundle of resources; what has no resourceType is an entry as it stands."""
    wrapped = [{"resource": each} if "resourceType" in each else each for each in entries]
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": wrapped, **more}).encode()


def chart(*resources: dict[str, Any], **more: Any) -> PatientChart:
    """The chart of p1 with these resources."""
    return read_chart(bundle(PATIENT, *resources), CATALOGUE, **more)


def codes_of(chart_: PatientChart) -> list[tuple[str, str]]:
    return [(each.code, each.reference) for each in chart_.warnings]
