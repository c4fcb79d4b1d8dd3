"""Calls as the sandbox client of the Python package `healthchain` makes them get cards, not errors.

Seen of version 0.16.1 by letting it call a running service; the package is not needed here. From a file, the whole
Bundle stands in place of the prefetch keys; from a Synthea folder, there is one key a resource type, in lower case, and
under it a collection Bundle (under `patient`, too). The ids of user and patient are invented; no FHIR server is named.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.hooks.conftest import call, service
from tests.hooks.test_contract import problems
from tests.reference import reference_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx

pytestmark = pytest.mark.asyncio(loop_scope="module")
Json = dict[str, Any]
TRIAL = """NCT00000078
Blood pressure and weight
Inclusion Criteria:
- Age 18 years or older
- Systolic blood pressure < 200 mmHg
Exclusion Criteria:
- Pregnancy
"""
SYNTHEA = reference_folder() / "data" / "patients" / "synthea-r4"
RECORDS = {
    "Synthea": SYNTHEA / "Dirk_Kuhlman_1e503533-b8c2-42cb-a6d5-bbd7d70d07ad.json",
    "demonstration": Path(__file__).parents[2] / "app" / "demo" / "patients" / "olive-liver-metastases.json",
}


def from_a_file(bundle: Json) -> Json:
    """The Bundle itself."""
    return bundle


def from_a_folder(bundle: Json) -> Json:
    """A key a type."""
    by_type: dict[str, list[Json]] = {}
    for each in bundle["entry"]:
        by_type.setdefault(each["resource"]["resourceType"].lower(), []).append({"resource": each["resource"]})
    return {name: {"resourceType": "Bundle", "type": "collection", "entry": found} for name, found in by_type.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with service(tmp_path_factory.mktemp("sandbox"), TRIAL) as started:
        yield started


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("shape", [from_a_file, from_a_folder])
async def test_a_whole_record_under_an_invented_id_gets_a_card(
    client: httpx.AsyncClient, shape: Callable[[Json], Json], record: str
) -> None:
    if not RECORDS[record].is_file():
        pytest.skip(f"{RECORDS[record].name} is not on this machine; ELIGO_SHARED may name its folder.")
    bundle = json.loads(RECORDS[record].read_text())
    context = {"userId": "RelatedPerson/379", "patientId": "2714937"}

    answer = await client.post("/cds-services/trials-patient-view", json=call(shape(bundle), context=context))

    assert answer.status_code == 200, answer.text
    assert problems("response", answer.json()) == []
    (card,) = answer.json()["cards"]
    found = {each["id"]: each["status"] for each in card["extension"]["org.eligo.criteria"]["criteria"]}
    assert found["I1"] == "pass"
    assert found["I2"] == ("pass" if record == "Synthea" else "unknown")
    assert "check that it is the right patient" in card["detail"]


async def test_two_patients_under_an_invented_id_are_412(client: httpx.AsyncClient) -> None:
    two = [{"resource": {"resourceType": "Patient", "id": each, "birthDate": "1970"}} for each in ("a", "b")]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": two}

    answer = await client.post("/cds-services/trials-patient-view", json=call(bundle, context={"patientId": "2714937"}))

    assert answer.status_code == 412
