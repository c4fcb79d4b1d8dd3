"""Patients in few words: the shorthand of the verdict cases → FHIR R4 resources in a Bundle."""

from __future__ import annotations

import re
from typing import Any

_SYSTEMS = {
    "snomed": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
    "icd10cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "atc": "http://www.whocc.no/atc",
    "cvx": "http://hl7.org/fhir/sid/cvx",
    "ncit": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
    "local": "urn:example:local",
}
_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_QUANTITY = re.compile(r"^(<=|>=|<|>)?\s*(-?\d+(?:\.\d+)?)(?:\s+(\S+))?$")
_ROUTES = {"oral": "26643006", "intravenous": "47625008", "inhaled": "18679011000001101"}

_ABOUT = {"immunization": "patient", "allergy": "patient", "consent": "patient", "participation": "individual"}

Json = dict[str, Any]


def bundle(patient: Json, records: list[Json]) -> Json:
    """A collection Bundle of a Patient/p1 and the records in order; each record's id is its kind and place."""
    resources = [{"resourceType": "Patient", "id": "p1", **patient}]
    resources += [_resource(record, place) for place, record in enumerate(records, 1)]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}


def _resource(record: Json, place: int) -> Json:
    if "raw" in record:
        raw: Json = record["raw"]
        return raw
    kind = next(iter(record))
    made: Json = {
        "condition": _condition,
        "observation": _observation,
        "administration": _administration,
        "statement": _statement,
        "request": _request,
        "procedure": _procedure,
        "immunization": _immunization,
        "allergy": _allergy,
        "participation": _participation,
        "planned": _planned,
        "consent": _consent,
        "report": _report,
        "dispense": _dispense,
    }[kind](record)
    made["id"] = record.get("id", f"{kind}{place}")
    about = _ABOUT.get(kind, "subject")
    made.setdefault(about, {"reference": record.get("subject", "Patient/p1")})
    # Elements without a shorthand of their own, as FHIR spells them.
    return made | record.get("more", {})


def _coded(text: str) -> Json:
    """ "snomed 363443007 Display", or "text: words" for words alone."""
    if text.startswith("text:"):
        return {"text": text.removeprefix("text:").strip()}
    system, code, *display = text.split(" ", 2)
    coding = {"system": _SYSTEMS[system], "code": code}
    return {"coding": [{**coding, "display": display[0]} if display else coding]}


def _quantity(text: str) -> Json:
    match = _QUANTITY.match(text)
    assert match, text
    made: Json = {"value": float(match[2]) if "." in match[2] else int(match[2])}
    if match[1]:
        made["comparator"] = match[1]
    if match[3]:
        made |= {"unit": match[3], "system": "http://unitsofmeasure.org", "code": match[3]}
    return made


def _condition(record: Json) -> Json:
    made: Json = {"resourceType": "Condition", "code": _coded(record["condition"])}
    status = record.get("status", "active")
    if status:
        made["clinicalStatus"] = {"coding": [{"system": _CLINICAL, "code": status}]}
    made["verificationStatus"] = {"coding": [{"system": _VERIFICATION, "code": record.get("verified", "confirmed")}]}
    for key, element in (("since", "onsetDateTime"), ("until", "abatementDateTime"), ("recorded", "recordedDate")):
        if key in record:
            made[element] = record[key]
    if "severity" in record:
        made["severity"] = _coded(record["severity"])
    if "evidence" in record:
        made["evidence"] = [{"detail": [{"reference": record["evidence"]}]}]
    if "due_to" in record:
        url = "http://hl7.org/fhir/StructureDefinition/condition-dueTo"
        made["extension"] = [{"url": url, "valueReference": {"reference": record["due_to"]}}]
    return made


def _observation(record: Json) -> Json:
    made: Json = {
        "resourceType": "Observation",
        "status": record.get("status", "final"),
        "code": _coded(record["observation"]),
    }
    if "day" in record:
        made["effectiveDateTime"] = record["day"]
    if "value" in record:
        made["valueQuantity"] = _quantity(str(record["value"]))
    if "unit" in record:
        made["valueQuantity"] |= {"unit": record["unit"]}
    if "coded" in record:
        made["valueCodeableConcept"] = _coded(record["coded"])
    if "string" in record:
        made["valueString"] = record["string"]
    if "integer" in record:
        made["valueInteger"] = record["integer"]
    if "range" in record:
        low, high = record["range"]
        ends = {"low": low, "high": high}
        made["referenceRange"] = [{end: _quantity(str(value)) for end, value in ends.items() if value is not None}]
    return made


def _dosage(record: Json) -> list[Json]:
    made: Json = {}
    if "dose" in record:
        made["doseAndRate"] = [{"doseQuantity": _quantity(record["dose"])}]
    if "times" in record:
        made["timing"] = {"repeat": {"frequency": record["times"], "period": 1, "periodUnit": "d"}}
    if "route" in record:
        code = _ROUTES.get(record["route"])
        made["route"] = _coded(f"snomed {code} {record['route']}" if code else f"text: {record['route']}")
    return [made] if made else []


def _statement(record: Json) -> Json:
    made: Json = {
        "resourceType": "MedicationStatement",
        "status": record.get("status", "active"),
        "medicationCodeableConcept": _coded(record["statement"]),
        "dosage": _dosage(record),
    }
    period = {key: record[name] for key, name in (("start", "since"), ("end", "until")) if name in record}
    return made | ({"effectivePeriod": period} if period else {})


def _request(record: Json) -> Json:
    made: Json = {
        "resourceType": "MedicationRequest",
        "status": record.get("status", "active"),
        "intent": "order",
        "medicationCodeableConcept": _coded(record["request"]),
        "dosageInstruction": _dosage(record),
    }
    return made | ({"authoredOn": record["since"]} if "since" in record else {})


def _administration(record: Json) -> Json:
    made: Json = {
        "resourceType": "MedicationAdministration",
        "status": record.get("status", "completed"),
        "medicationCodeableConcept": _coded(record["administration"]),
        "effectiveDateTime": record["day"],
    }
    if "dose" in record:
        made["dosage"] = {"dose": _quantity(record["dose"])}
    return made


def _procedure(record: Json) -> Json:
    made: Json = {
        "resourceType": "Procedure",
        "status": record.get("status", "completed"),
        "code": _coded(record["procedure"]),
    }
    if "since" in record or "until" in record:
        made["performedPeriod"] = {
            end: record[key] for end, key in (("start", "since"), ("end", "until")) if key in record
        }
    return made | ({"performedDateTime": record["day"]} if "day" in record else {})


def _immunization(record: Json) -> Json:
    return {
        "resourceType": "Immunization",
        "status": record.get("status", "completed"),
        "vaccineCode": _coded(record["immunization"]),
        "occurrenceDateTime": record["day"],
    }


def _allergy(record: Json) -> Json:
    made: Json = {"resourceType": "AllergyIntolerance", "code": _coded(record["allergy"])}
    url = "http://terminology.hl7.org/CodeSystem/allergyintolerance"
    made["clinicalStatus"] = {"coding": [{"system": f"{url}-clinical", "code": record.get("status", "active")}]}
    if "verified" in record:
        made["verificationStatus"] = {"coding": [{"system": f"{url}-verification", "code": record["verified"]}]}
    if "criticality" in record:
        made["criticality"] = record["criticality"]
    if "severity" in record:
        made["reaction"] = [{"manifestation": [{"text": "reaction"}], "severity": record["severity"]}]
    return made


def _participation(record: Json) -> Json:
    """A ResearchSubject of the study whose ClinicalTrials.gov number is given."""
    number = {"system": "http://clinicaltrials.gov", "value": record["participation"]}
    made: Json = {
        "resourceType": "ResearchSubject",
        "status": record.get("status", "on-study"),
        "study": {"identifier": number, "display": record.get("title", "A study")},
    }
    period = {end: record[key] for end, key in (("start", "since"), ("end", "until")) if key in record}
    return made | ({"period": period} if period else {})


def _planned(record: Json) -> Json:
    made: Json = {
        "resourceType": "ServiceRequest",
        "status": record.get("status", "active"),
        "intent": record.get("intent", "order"),
        "code": _coded(record["planned"]),
    }
    return made | ({"occurrenceDateTime": record["day"]} if "day" in record else {})


def _consent(record: Json) -> Json:
    scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}
    category = {"system": "http://loinc.org", "code": "59284-0", "display": "Consent Document"}
    made: Json = {
        "resourceType": "Consent",
        "status": record["consent"],
        "scope": {"coding": [scope]},
        "category": [{"coding": [category]}],
        "provision": {"type": record.get("provision", "permit")},
    }
    return made | ({"dateTime": record["day"]} if "day" in record else {})


def _report(record: Json) -> Json:
    made: Json = {
        "resourceType": "DiagnosticReport",
        "status": record.get("status", "final"),
        "code": _coded(record["report"]),
    }
    if "day" in record:
        made["effectiveDateTime"] = record["day"]
    if "conclusion" in record:
        made["conclusionCode"] = [_coded(record["conclusion"])]
    return made


def _dispense(record: Json) -> Json:
    made: Json = {
        "resourceType": "MedicationDispense",
        "status": record.get("status", "completed"),
        "medicationCodeableConcept": _coded(record["dispense"]),
        "whenHandedOver": record["day"],
    }
    if "supply" in record:
        days = {"value": record["supply"], "unit": "d", "system": "http://unitsofmeasure.org", "code": "d"}
        made["daysSupply"] = days
    return made
