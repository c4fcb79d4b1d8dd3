"""A whole way: an EHR whose records lie on a FHIR server that has nothing to do with Eligo, in a process of its own."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio

from tests.hooks.conftest import call, service
from tests.npm import node_in
from tests.reference import reference_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SYNTHEA = reference_folder() / "data" / "patients" / "synthea-r4"
EVERYTHING = {"id": "all", "hook": "patient-view", "with_ineligible": True, "most_cards": 20}
DIABETES = """NCT00000077
Something new in diabetes
Inclusion Criteria:
- Age 18 to 75 years
- Diabetes mellitus
- BMI ≥ 25 kg/m2
- Systolic blood pressure < 180 mmHg
- Hemoglobin ≥ 90 g/L
- Willing to give informed consent
Exclusion Criteria:
- History of interstitial lung disease
- Epilepsy
- Chemotherapy within 4 weeks before enrollment
"""
DIRK = SYNTHEA / "Dirk_Kuhlman_1e503533-b8c2-42cb-a6d5-bbd7d70d07ad.json"
OLIVE = ROOT / "app" / "demo" / "patients" / "olive-liver-metastases.json"
# File, and what of the trial of diabetes passes and fails, as somebody who looks at the record sees.
RECORDS: dict[str, tuple[Path, set[str], set[str]]] = {
    "Synthea": (DIRK, {"I1", "I2", "I3", "I4", "E1"}, {"E2"}),
    "demonstration": (OLIVE, {"I1", "E1", "E2"}, {"I2"}),
}
Statuses = dict[str, dict[str, str]]


@contextmanager
def fhir_server() -> Iterator[str]:
    """The base address of a FHIR R4 server that is empty. Skips where Node cannot be had."""
    folder = HERE / "fhir-server"
    with subprocess.Popen(
        [node_in(folder), str(folder / "server.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(10)


def load(address: str, bundle: dict[str, Any]) -> str:
    """Put a record on the server, as a transaction; the id that the Patient has there."""
    if bundle["type"] != "transaction":
        resources = [each["resource"] for each in bundle["entry"]]
        entries = [
            {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
            for each in resources
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = httpx.post(address, json=bundle, timeout=60)
    assert answer.status_code == 200, answer.text[:500]
    done = [each["response"] for each in answer.json()["entry"]]
    assert {each["status"] for each in done} <= {"200", "201"}, done[:3]
    kinds = [each["resource"]["resourceType"] for each in bundle["entry"]]
    place = kinds.index("Patient")
    known: str = done[place].get("location") or bundle["entry"][place]["request"]["url"]
    return known.split("/")[1]


def prefetched(address: str, templates: dict[str, str], patient_id: str) -> dict[str, Any]:
    """What an EHR sends along: each template filled in and asked; a query that fails leaves its key out."""
    answers = {
        key: httpx.get(f"{address}/{query.replace('{{context.patientId}}', patient_id)}", timeout=60)
        for key, query in templates.items()
    }
    return {key: each.json() for key, each in answers.items() if each.status_code == 200}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at_work(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A service that knows two demonstration trials and one more, and the FHIR server that it may call."""
    with fhir_server() as address:
        folder = tmp_path_factory.mktemp("whole")
        async with service(
            folder, DIABETES, cds_fhir_servers=(address,), cds_budget_s=30.0, cds_services=[EVERYTHING]
        ) as client:
            for each in sorted((ROOT / "app" / "demo" / "trials").glob("*.json"))[:2]:
                posted = await client.post(
                    "/v1/trials", content=each.read_bytes(), headers={"Content-Type": "application/json"}
                )
                assert posted.status_code == 201, posted.text
            yield client, address


async def statuses(client: httpx.AsyncClient, sent: dict[str, Any]) -> Statuses:
    """Per card that is about a trial, the status of each criterion."""
    answer = await client.post("/cds-services/all", json=sent)
    assert answer.status_code == 200, answer.text
    told = [each["extension"]["org.eligo.criteria"] for each in answer.json()["cards"]]
    return {each["trial"]["id"]: {one["id"]: one["status"] for one in each["criteria"]} for each in told}


def _differing(these: Statuses, those: Statuses) -> list[tuple[str, str, str, str]]:
    assert set(these) == set(those)
    return [
        (trial, name, status, those[trial][name])
        for trial, found in these.items()
        for name, status in found.items()
        if status != those[trial][name]
    ]


@pytest.mark.parametrize("record", RECORDS)
async def test_what_is_fetched_and_what_is_sent_along_give_the_same_cards(
    at_work: tuple[httpx.AsyncClient, str], record: str
) -> None:
    client, address = at_work
    file, passes, fails = RECORDS[record]
    if not file.is_file():
        pytest.skip(f"{file.name} is not on this machine; ELIGO_SHARED may name its folder.")
    bundle = json.loads(file.read_text())
    patient_id = load(address, bundle)
    (described,) = (await client.get("/cds-services")).json()["services"]
    context = {"patientId": patient_id}

    fetched = await statuses(client, call(None, context=context, fhirServer=address))
    prefetch = prefetched(address, described["prefetch"], patient_id)
    sent_along = await statuses(client, call(prefetch, context=context))

    assert set(prefetch) == set(described["prefetch"])
    assert _differing(fetched, sent_along) == []
    assert {name for name, each in fetched["NCT00000077"].items() if each == "pass"} >= passes
    assert {name for name, each in fetched["NCT00000077"].items() if each == "fail"} == fails
    # The record as a whole, with the types shown complete that the templates ask for whole, is judged alike.
    whole = [each.split("?")[0] for each in described["prefetch"].values() if each.endswith("&_count=500")]
    for trial, found in fetched.items():
        answer = await client.post(
            f"/v1/trials/{trial}/evaluate",
            params={"complete": ",".join(whole)},
            content=json.dumps(bundle),
            headers={"Content-Type": "application/fhir+json"},
        )
        assert answer.status_code == 200, answer.text
        assert {each["id"]: each["status"] for each in answer.json()["criteria"]} == found, trial


async def test_a_patient_whom_the_server_does_not_know_is_412(at_work: tuple[httpx.AsyncClient, str]) -> None:
    client, address = at_work

    answer = await client.post(
        "/cds-services/all", json=call(None, fhirServer=address, context={"patientId": "no-one"})
    )

    assert answer.status_code == 412


async def test_a_server_beside_the_one_that_is_listed_is_not_called(at_work: tuple[httpx.AsyncClient, str]) -> None:
    client, address = at_work
    beside = address.replace("/fhir", "/other")

    answer = await client.post("/cds-services/all", json=call(None, fhirServer=beside))

    assert answer.status_code == 403, answer.text
