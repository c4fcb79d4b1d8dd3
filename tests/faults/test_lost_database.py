"""The database stops, crashes or hangs under a service at work: nothing half written, nothing lost, and all goes on."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from app.api import examples
from app.store import Database, migrate
from tests.postgresql import Cluster, cluster
from tests.serving import Served, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FHIR = {"Content-Type": "application/fhir+json"}
TEXT = {"Content-Type": "text/plain"}
QUICK = {
    "ELIGO_DATABASE_CONNECT_TIMEOUT_S": "2",
    "ELIGO_DATABASE_STATEMENT_TIMEOUT_S": "2",
    "ELIGO_DATABASE_POOL_WAIT_S": "2",
    "ELIGO_JUDGE_PROCESSES": "2",
}
BUNDLE = json.dumps(examples.BUNDLE)


def page(number: int, words: str = "") -> str:
    return f"NCT{number:08}\n\nA trial {words}\n\nInclusion Criteria:\n\n- Age 18 years or older\n"


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Cluster]:
    with cluster() as own:
        asyncio.run(_migrate(own.url))
        yield own


async def _migrate(url: str) -> None:
    database = Database(url)
    await migrate(database)
    await database.close()


@pytest.fixture(scope="module")
def server(postgresql: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("server"), ELIGO_DATABASE_URL=postgresql.url, **QUICK) as served:
        yield served


def ready(address: str) -> httpx.Response:
    return httpx.get(f"{address}/health/ready", timeout=10)


def wait_until(found: Callable[[], bool], within_s: float) -> float:
    began = time.monotonic()
    while not found():
        assert time.monotonic() - began < within_s, f"not within {within_s} seconds"
        time.sleep(0.1)
    return time.monotonic() - began


def evaluate(address: str, trial: str) -> httpx.Response:
    return httpx.post(f"{address}/v1/trials/{trial}/evaluate?asOf=2026-11-22", content=BUNDLE, headers=FHIR, timeout=30)


def stop_and_start(own: Cluster) -> tuple[Callable[[], None], Callable[[], None]]:
    return own.stop, own.start


def crash_and_start(own: Cluster) -> tuple[Callable[[], None], Callable[[], None]]:
    return own.kill, own.start


def freeze_and_thaw(own: Cluster) -> tuple[Callable[[], None], Callable[[], None]]:
    return own.freeze, own.thaw


@pytest.mark.parametrize("fault", [stop_and_start, crash_and_start, freeze_and_thaw])
def test_without_its_database_it_judges_what_it_knows_and_says_that_it_is_not_ready(postgresql, server, fault):
    address = server.address
    assert httpx.post(f"{address}/v1/trials", content=page(1), headers=TEXT).status_code in {200, 201}
    before = evaluate(address, "NCT00000001")
    assert before.status_code == 200, before.text
    everything = httpx.post(f"{address}/v1/evaluate?asOf=2026-11-22", content=BUNDLE, headers=FHIR, timeout=30)
    lose, give_back = fault(postgresql)

    lose()
    try:
        wait_until(lambda: ready(address).status_code == 503, within_s=10)
        assert ready(address).json()["database"] == "unreachable"
        assert httpx.get(f"{address}/health/live").status_code == 200
        for _ in range(4):  # whichever process it meets
            during = evaluate(address, "NCT00000001")
            assert (during.status_code, during.content) == (200, before.content)
        again = httpx.post(f"{address}/v1/evaluate?asOf=2026-11-22", content=BUNDLE, headers=FHIR, timeout=30)
        assert (again.status_code, again.content) == (200, everything.content)
        began = time.monotonic()
        refused = httpx.post(f"{address}/v1/trials", content=page(2), headers=TEXT, timeout=30)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"].isdigit()
        assert refused.json()["type"] == "urn:eligo:problem:database-unavailable"
        assert time.monotonic() - began < 10
    finally:
        give_back()

    wait_until(lambda: ready(address).status_code == 200, within_s=20)
    assert httpx.get(f"{address}/v1/trials/NCT00000002").status_code == 404, "what was refused is not there"
    assert httpx.post(f"{address}/v1/trials", content=page(3), headers=TEXT).status_code in {200, 201}


@pytest.mark.parametrize("fault", [crash_and_start, freeze_and_thaw])
def test_what_was_acknowledged_outlives_a_fault_in_the_middle_of_importing(postgresql, server, fault):
    address = server.address
    wait_until(lambda: ready(address).status_code == 200, within_s=20)
    first = 1000 if fault is crash_and_start else 2000
    told: dict[int, int] = {}
    stop = threading.Event()

    def send(start: int) -> None:
        number = start
        while not stop.is_set():
            try:
                answer = httpx.post(f"{address}/v1/trials", content=page(number), headers=TEXT, timeout=30)
                told[number] = answer.status_code
            except httpx.TransportError:
                told[number] = 0
            number += 1

    senders = [threading.Thread(target=send, args=(first + 250 * each,)) for each in range(3)]
    for each in senders:
        each.start()
    wait_until(lambda: list(told.values()).count(201) >= 5, within_s=30)
    lose, give_back = fault(postgresql)
    lose()
    wait_until(lambda: 503 in told.values(), within_s=30)
    give_back()
    kept = list(told.values()).count(201)
    wait_until(lambda: list(told.values()).count(201) > kept + 3, within_s=40)
    stop.set()
    for each in senders:
        each.join()

    assert set(told.values()) == {201, 503}, "acknowledged, or refused for now; nothing else"
    for number, status in told.items():
        found = httpx.get(f"{address}/v1/trials/NCT{number:08}")
        if status == 201:
            assert found.status_code == 200
        if (
            found.status_code == 200
        ):  # a refused one may be there: its answer was lost, not its commit. Then it is whole.
            assert found.json()["version"] == 1
            assert len(found.json()["criteria"]) == 1


def test_another_replica_sees_a_change_within_seconds_and_two_that_import_one_trial_make_two_versions(
    postgresql, server, tmp_path
):
    wait_until(lambda: ready(server.address).status_code == 200, within_s=20)
    with serving(tmp_path, ELIGO_DATABASE_URL=postgresql.url, **QUICK) as other:
        both = (server.address, other.address)
        httpx.post(f"{both[0]}/v1/trials", content=page(5), headers=TEXT)
        assert evaluate(both[1], "NCT00000005").json()["trial"]["version"] == 1
        httpx.post(f"{both[0]}/v1/trials", content=page(5, "amended"), headers=TEXT)
        wait_until(lambda: evaluate(both[1], "NCT00000005").json()["trial"]["version"] == 2, within_s=5)

        answers: list[httpx.Response] = []
        words = [f"of round {each}" for each in range(6)]

        def send(address: str) -> None:
            answers.extend(
                httpx.post(f"{address}/v1/trials", content=page(6, each), headers=TEXT, timeout=30) for each in words
            )

        senders = [threading.Thread(target=send, args=(each,)) for each in both]
        for each in senders:
            each.start()
        for each in senders:
            each.join()

        assert {each.status_code for each in answers} <= {200, 201}
        versions = [each.json()["version"] for each in answers if each.status_code == 201]
        assert sorted(versions) == list(range(1, len(versions) + 1)), "every change has a version of its own"
        newest = httpx.get(f"{both[0]}/v1/trials/NCT00000006").json()
        assert newest == httpx.get(f"{both[1]}/v1/trials/NCT00000006").json()
        assert newest["version"] == len(versions)
