"""What a prefetch lacks is fetched from the EHR: a real HTTP server, also a slow, failing or lying one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio

from tests.ehr import Ehr, after, breaks, ehr, says, slow
from tests.hooks.conftest import COLON, LUNG, PATIENT, call, searchset, service
from tests.hooks.test_calls import FULL, VIEW, cards, status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="module")
HB = FULL["results1"]["entry"][0]["resource"]
PLATELETS = FULL["results1"]["entry"][1]["resource"]
RECORDS = (PATIENT, COLON, HB, PLATELETS)
AtWork = tuple[httpx.AsyncClient, Ehr]
TOKEN = {
    "access_token": "CANARY-TOKEN",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/*.read",
    "subject": "eligo",
}


def of(server: Any) -> dict[str, Any]:
    return {"fhirServer": server.address, "fhirAuthorization": TOKEN}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fetching")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(folder: Path) -> AsyncIterator[AtWork]:
    with ehr() as server:
        async with service(folder, cds_fhir_servers=(server.address,), cds_budget_s=2.5) as client:
            yield client, server


@pytest.fixture
def at_work(running: AtWork) -> AtWork:
    """A service, and the one FHIR server it may call, which has forgotten what it was told."""
    _, server = running
    server.answers.clear()
    server.asked.clear()
    server.page_size = 1000
    return running


async def test_without_a_prefetch_everything_is_fetched(at_work: AtWork) -> None:
    client, server = at_work
    server.records[:] = [*RECORDS]
    (card,) = await cards(client, call(None, **of(server)))

    assert status(card) == {
        "I1": "pass", "I2": "pass", "I3": "pass", "I4": "pass", "I5": "review", "E1": "pass", "E2": "pass",
    }  # fmt: skip
    assert {token for _, token in server.asked} == {"Bearer CANARY-TOKEN"}
    asked = [path for path, _ in server.asked]
    assert "/fhir/Patient/p1" in asked
    assert [
        each
        for each in asked
        if each.startswith("/fhir/MedicationRequest?") and "_include=MedicationRequest:medication" in each
    ]


async def test_only_what_lacks_is_fetched(at_work: AtWork) -> None:
    client, server = at_work
    server.records[:] = [*RECORDS]
    prefetch = {key: FULL[key] for key in ("patient", "conditions", "results1")}
    await cards(client, call(prefetch, **of(server)))

    assert not [
        path for path, _ in server.asked if path.startswith(("/fhir/Patient", "/fhir/Condition", "/fhir/Observation"))
    ]
    assert [path for path, _ in server.asked if path.startswith("/fhir/Procedure")]


async def test_pages_are_followed_to_the_end(at_work: AtWork) -> None:
    client, server = at_work
    server.records[:] = [PATIENT, COLON, LUNG, HB, PLATELETS]
    server.page_size = 1
    found = await cards(client, call(None, **of(server)))

    assert found == []  # the lung disease stands on the second page


async def test_the_further_pages_of_a_prefetch_are_fetched(at_work: AtWork) -> None:
    client, server = at_work
    server.records[:] = [*RECORDS]
    server.answers["/next"] = says(200, searchset(LUNG))
    cut = searchset(COLON, link=[{"relation": "next", "url": f"{server.address}/next"}])
    found = await cards(client, call(FULL | {"conditions": cut}, **of(server)))

    assert found == []


@pytest.mark.parametrize(
    "answer",
    [
        says(500),
        says(403),
        says(200, {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}),
        says(200, "no resource"),
        says(302, Location="http://169.254.169.254/latest"),
        says(503, **{"Retry-After": "60"}),
        slow(4.0),
        says(200, searchset(link=[{"relation": "next", "url": "http://127.0.0.1:1/elsewhere"}])),
        says(200, {key: value for key, value in searchset().items() if key != "resourceType"}),
    ],
    ids=["500", "403", "outcome", "no resource", "redirect", "busy", "slow", "pages elsewhere", "no type"],
)
async def test_what_cannot_be_had_in_time_stays_open(at_work: AtWork, answer: Any) -> None:
    client, server = at_work
    server.records[:] = [*RECORDS]
    server.answers["/Procedure"] = answer
    server.answers["/MedicationRequest"] = answer
    server.answers["/MedicationStatement"] = answer
    server.answers["/MedicationAdministration"] = answer
    server.answers["/MedicationDispense"] = answer
    start = time.monotonic()
    (card,) = await cards(client, call(None, **of(server)))
    taken = time.monotonic() - start

    assert (status(card)["I2"], status(card)["E2"]) == ("pass", "unknown")
    assert taken < 20


async def test_a_server_that_is_busy_for_a_moment_is_asked_again(at_work: AtWork) -> None:
    client, server = at_work
    server.records[:] = [*RECORDS]
    server.answers["/Condition"] = after(2, says(503, **{"Retry-After": "0"}), says(200, searchset(COLON)))
    server.answers["/Procedure"] = after(1, says(429), says(200, searchset()))
    (card,) = await cards(client, call(None, **of(server)))

    assert (status(card)["I2"], status(card)["E2"]) == ("pass", "pass")


async def test_a_connection_that_breaks_is_made_once_more(at_work: AtWork) -> None:
    client, server = at_work
    server.records[:] = [*RECORDS]
    server.answers["/Condition"] = after(1, breaks, says(200, searchset(COLON)))
    server.answers["/Procedure"] = breaks
    (card,) = await cards(client, call(None, **of(server)))

    assert (status(card)["I2"], status(card)["E2"]) == ("pass", "unknown")
    assert len([path for path, _ in server.asked if path.startswith("/fhir/Procedure")]) == 2


async def test_pages_that_never_end_are_not_followed_for_ever(at_work: AtWork) -> None:
    client, server = at_work
    server.records[:] = [*RECORDS]
    again = searchset(link=[{"relation": "next", "url": f"{server.address}/Condition?page=again"}])
    server.answers["/Condition"] = says(200, again)
    (card,) = await cards(client, call(None, **of(server)))

    assert status(card)["I2"] == "unknown"
    assert len([path for path, _ in server.asked if path.startswith("/fhir/Condition")]) == 2


async def test_without_the_patient_the_answer_is_412(at_work: AtWork) -> None:
    client, server = at_work
    server.records[:] = [COLON]
    answer = await client.post(VIEW, json=call(None, **of(server)))

    assert answer.status_code == 412


async def test_another_patient_than_the_one_asked_for_is_no_patient(at_work: AtWork) -> None:
    client, server = at_work
    server.records[:] = []
    server.answers["/Patient/p1"] = says(200, PATIENT | {"id": "p2"})
    answer = await client.post(VIEW, json=call(None, **of(server)))

    assert answer.status_code == 412


async def test_the_token_is_written_nowhere(at_work: AtWork, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    client, server = at_work
    server.records[:] = [*RECORDS]
    server.answers["/Procedure"] = says(500)
    await cards(client, call(None, **of(server)))

    assert "CANARY-TOKEN" not in caplog.text
    assert not [each for each in folder.rglob("*") if each.is_file() and b"CANARY-TOKEN" in each.read_bytes()]


async def test_no_server_is_called_where_none_is_listed(tmp_path: Path) -> None:
    with ehr(*RECORDS) as server:
        async with service(tmp_path) as client:
            answer = await client.post(
                VIEW, json=call({"patient": PATIENT, "conditions": searchset(COLON)}, **of(server))
            )

    assert answer.status_code == 200
    assert status(answer.json()["cards"][0])["E2"] == "unknown"
    assert server.asked == []
