"""Records to measure with: whole lives of the kind that record generators write, made here from a seed."""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from typing import Any

Json = dict[str, Any]

_SNOMED = "http://snomed.info/sct"
_LOINC = "http://loinc.org"
_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_UCUM = "http://unitsofmeasure.org"
_LABS = (
    ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 9, 16),
    ("777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL", 90, 380),
    ("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL", 2, 12),
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 0.5, 2),
    ("1742-6", "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma", "U/L", 10, 120),
    ("1920-8", "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma", "U/L", 10, 120),
    ("29463-7", "Body weight", "kg", 50, 110),
    ("8302-2", "Body height", "cm", 150, 190),
    ("8867-4", "Heart rate", "/min", 55, 110),
    ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "mg/dL", 120, 280),
    ("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", "mg/dL", 60, 300),
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "mg/dL", 70, 200),
)
_CONDITIONS = (
    ("363443007", "Malignant tumor of ovary (disorder)"),
    ("59621000", "Essential hypertension (disorder)"),
    ("271737000", "Anemia (disorder)"),
    ("195967001", "Asthma (disorder)"),
    ("38341003", "Hypertensive disorder, systemic arterial (disorder)"),
)
_DRUGS = (
    ("197361", "amlodipine 5 MG Oral Tablet"),
    ("314076", "lisinopril 10 MG Oral Tablet"),
    ("198145", "prednisone 10 MG Oral Tablet"),
)


def life(entries: int, *, seed: int = 1, pretty: bool = True) -> bytes:
    """A transaction Bundle of one patient with about `entries` resources, a third of them never read by anybody."""
    chance = random.Random(seed)
    resources: list[Json] = [{"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1966-03-14"}]
    for place in range(entries - 1):
        day = (date(2026, 11, 20) - timedelta(days=chance.randrange(3650))).isoformat()
        resources.append(_resource(place, day, chance))
    entry = [{"fullUrl": f"urn:uuid:{place:032x}", "resource": each} for place, each in enumerate(resources)]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entry}
    return json.dumps(bundle, indent=2 if pretty else None).encode()


def visit(seed: int = 1) -> bytes:
    """35 resources of one patient: what a clinic sends for a pre-screening."""
    return life(35, seed=seed, pretty=False)


def _resource(place: int, day: str, chance: random.Random) -> Json:
    subject = {"subject": {"reference": f"urn:uuid:{0:032x}"}}
    kind = place % 12
    if kind < 6:
        return {**_observation(place, day, chance), **subject}
    if kind == 6:
        return {**_condition(place, day, chance), **subject}
    if kind == 7:
        code, display = chance.choice(_DRUGS)
        medication = {"coding": [{"system": _RXNORM, "code": code, "display": display}], "text": display}
        return {
            "resourceType": "MedicationRequest",
            "id": f"m{place}",
            "status": "completed",
            "intent": "order",
            "medicationCodeableConcept": medication,
            "authoredOn": day,
            **subject,
        }
    if kind == 8:
        coding = {"system": _SNOMED, "code": "430193006", "display": "Medication Reconciliation (procedure)"}
        return {
            "resourceType": "Procedure",
            "id": f"c{place}",
            "status": "completed",
            "code": {"coding": [coding]},
            "performedDateTime": day,
            **subject,
        }
    return {**_paper(place, day, kind), **subject}


def _observation(place: int, day: str, chance: random.Random) -> Json:
    code, display, unit, low, high = chance.choice(_LABS)
    value = {"value": round(chance.uniform(low, high), 1), "unit": unit, "system": _UCUM, "code": unit}
    limits = {"low": {**value, "value": low}, "high": {**value, "value": high}}
    return {
        "resourceType": "Observation",
        "id": f"o{place}",
        "status": "final",
        "code": {"coding": [{"system": _LOINC, "code": code, "display": display}], "text": display},
        "effectiveDateTime": f"{day}T09:30:00+01:00",
        "issued": f"{day}T10:30:00.000+01:00",
        "valueQuantity": value,
        "referenceRange": [limits],
    }


def _condition(place: int, day: str, chance: random.Random) -> Json:
    code, display = chance.choice(_CONDITIONS)
    status = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    verified = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    return {
        "resourceType": "Condition",
        "id": f"d{place}",
        "clinicalStatus": {"coding": [{"system": status, "code": "active"}]},
        "verificationStatus": {"coding": [{"system": verified, "code": "confirmed"}]},
        "code": {"coding": [{"system": _SNOMED, "code": code, "display": display}], "text": display},
        "onsetDateTime": day,
    }


def _paper(place: int, day: str, kind: int) -> Json:
    """Encounters and bills: most of the bytes, none of the answers."""
    items = [
        {
            "sequence": n,
            "productOrService": {
                "coding": [{"system": _SNOMED, "code": "185349003", "display": "Encounter for check up (procedure)"}]
            },
            "adjudication": [
                {"category": {"text": "eligible amount"}, "amount": {"value": 12.5 * n, "currency": "USD"}}
            ],
        }
        for n in range(1, 6)
    ]
    if kind == 9:
        return {
            "resourceType": "Encounter",
            "id": f"e{place}",
            "status": "finished",
            "period": {"start": day, "end": day},
        }
    return {
        "resourceType": "Claim",
        "id": f"b{place}",
        "status": "active",
        "use": "claim",
        "created": day,
        "item": items,
    }
