"""The CDS services on a database file, with one trial that shows every kind of answer."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from app.main import create_app
from app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TRIAL = """NCT00000042
A trial of something new in colon cancer
Inclusion Criteria:
- Age 18 to 75 years
- Colon cancer
- Hemoglobin ≥ 90 g/L
- Platelets ≥ 100 × 10^9/L
- Life expectancy of at least 3 months
Exclusion Criteria:
- History of interstitial lung disease
- Chemotherapy within 4 weeks before enrollment
"""
_UUIDS = itertools.count(1)
PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1966-03-14"}
COLON = {
    "resourceType": "Condition",
    "id": "colon",
    "subject": {"reference": "Patient/p1"},
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "363406005"}]},
    "onsetDateTime": "2025-01-20",
}
LUNG = {
    "resourceType": "Condition",
    "id": "lung",
    "subject": {"reference": "Patient/p1"},
    "code": {
        "coding": [{"system": "http://snomed.info/sct", "code": "233703007", "display": "Interstitial lung disease"}]
    },
    "onsetDateTime": "2020-01-20",
}


def result(ident: str, loinc: str, value: float, unit: str, day: str) -> dict[str, Any]:
    """A result with its date."""
    return {
        "resourceType": "Observation",
        "id": ident,
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://loinc.org", "code": loinc}]},
        "effectiveDateTime": day,
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


def searchset(*resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What answers a search."""
    entries = [{"resource": each, "search": {"mode": "match"}} for each in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries} | more


def call(prefetch: object, *, hook: str = "patient-view", context: dict[str, Any] | None = None, **more: Any) -> Any:
    """A call of a hook for the patient p1."""
    made: dict[str, Any] = {
        "hook": hook,
        "hookInstance": f"00000000-0000-4000-8000-{next(_UUIDS):012}",
        "context": {"userId": "Practitioner/1", "patientId": "p1"} | (context or {}),
    }
    return made | ({} if prefetch is None else {"prefetch": prefetch}) | more


@asynccontextmanager
async def service(folder: Path, *trials: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that knows these trials."""
    made = Settings(database_url=f"sqlite:///{folder}/eligo.db", judge_processes=1, **settings)
    app = create_app(made)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as client,
    ):
        for each in trials or (TRIAL,):
            answer = await client.post("/v1/trials", content=each, headers={"Content-Type": "text/plain"})
            assert answer.status_code == 201, answer.text
        yield client
