"""A judging process is killed under load, and the disk is full: what was acknowledged stays, the rest is refused."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, text

from app.api import examples
from app.errors import DatabaseUnavailable
from app.store import Database, SqlTrials, migrate
from tests.serving import serving

FHIR = {"Content-Type": "application/fhir+json"}
TEXT = {"Content-Type": "text/plain"}
BUNDLE = json.dumps(examples.BUNDLE)
CALLS = 60


def processes(server: str, kind: bytes) -> list[int]:
    """The processes of the server with its files in this folder: those with `kind` in their command."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            command = (each / "cmdline").read_bytes()
            environment = (each / "environ").read_bytes()
        except OSError:
            continue
        if kind in command and server.encode() in environment:
            found.append(int(each.name))
    return found


def replaced(address: str) -> float:
    families = text_string_to_metric_families(httpx.get(f"{address}/metrics").text)
    samples = [each for family in families for each in family.samples]
    return sum(
        each.value for each in samples if each.name == "eligo_worker_restarts_total" and each.labels["reason"] == "lost"
    )


def test_judging_processes_that_are_killed_under_load_are_replaced_and_no_answer_is_wrong(tmp_path):
    with serving(tmp_path, ELIGO_JUDGE_PROCESSES="2") as served:
        address = served.address
        httpx.post(f"{address}/v1/trials", content=examples.PAGE, headers=TEXT)
        trial = httpx.get(f"{address}/v1/trials").json()["trials"][0]["id"]
        url = f"{address}/v1/trials/{trial}/evaluate?asOf=2026-11-22"
        right = httpx.post(url, content=BUNDLE, headers=FHIR, timeout=60)
        assert right.status_code == 200

        def call(number: int) -> httpx.Response:
            if number in {10, 30}:
                os.kill(processes(str(tmp_path), b"spawn_main")[0], signal.SIGKILL)
            return httpx.post(url, content=BUNDLE, headers=FHIR, timeout=120)

        with ThreadPoolExecutor(4) as callers:
            answers = list(callers.map(call, range(CALLS)))

        refused = [each for each in answers if each.status_code != 200]
        assert all(each.content == right.content for each in answers if each.status_code == 200)
        assert {each.status_code for each in refused} <= {503}
        assert all(each.headers["Retry-After"].isdigit() for each in refused)
        lost = [each for each in refused if each.json()["type"] == "urn:eligo:problem:worker-lost"]
        assert len(lost) <= 2, "one a killed process at most; others only where the line was too long meanwhile"
        assert httpx.post(url, content=BUNDLE, headers=FHIR, timeout=120).content == right.content
        assert replaced(address) == len(lost)
        assert httpx.get(f"{address}/health/ready").status_code == 200


async def test_a_full_disk_refuses_what_it_cannot_keep_and_goes_on_when_there_is_room(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/eligo.db")
    await migrate(database)
    room = {"pages": 60}

    # SQLite says SQLITE_FULL at this limit as it does when the file system has no room; as root nothing else does.
    @event.listens_for(database._engine.sync_engine, "begin")
    def _limit(connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={room['pages']}")

    async def add(number: int) -> tuple[int, bool]:
        content: dict[str, Any] = {
            "title": "Cells", "status": "recruiting", "phase": "1", "conditions": (), "media_type": "text/plain",
            "source": "a page " * 2000, "document": '{"criteria":[]}',
        }  # fmt: skip
        async with database.transaction() as connection:
            return await SqlTrials(connection).add(f"T{number}", digest=str(number), **content)

    kept, refused = [], []
    for number in range(40):
        try:
            await add(number)
        except DatabaseUnavailable:
            refused.append(number)
        else:
            kept.append(number)
    assert kept
    assert refused

    async def stored() -> list[str]:
        async with database.transaction() as connection:
            assert (await connection.scalar(text("PRAGMA integrity_check"))) == "ok"
            orphans = (
                "SELECT count(*) FROM trial WHERE NOT EXISTS (SELECT 1 FROM trial_version WHERE trial_id = trial.id)"
            )
            assert await connection.scalar(text(orphans)) == 0
            return [each.id for each in await SqlTrials(connection).every()]

    assert sorted(await stored()) == sorted(f"T{each}" for each in kept)
    room["pages"] = 100_000
    for number in refused:
        assert await add(number) == (1, True)
    assert len(await stored()) == 40
    await database.close()


@pytest.mark.skipif(os.environ.get("ELIGO_FAULTS") != "all", reason="`make faults` runs the long ones.")
def test_a_server_whose_file_may_not_grow_keeps_what_it_acknowledged(tmp_path):
    """Under RLIMIT_FSIZE a write beyond the limit fails as it does on a full disk."""
    page = "NCT{:08}\n\nA trial\n\nInclusion Criteria:\n\n- Age 18 years or older\n" + "- About the disease.\n" * 400
    with serving(tmp_path, ELIGO_LOG_LEVEL="warning") as served:
        (server,) = processes(str(tmp_path), b"serve")
        resource.prlimit(server, resource.RLIMIT_FSIZE, (500_000, 500_000))
        told = {
            number: httpx.post(f"{served.address}/v1/trials", content=page.format(number), headers=TEXT, timeout=60)
            for number in range(1, 25)
        }
        assert {each.status_code for each in told.values()} == {201, 503}
        assert all(each.headers["Retry-After"] for each in told.values() if each.status_code == 503)
        for number, each in told.items():
            found = httpx.get(f"{served.address}/v1/trials/NCT{number:08}")
            assert found.status_code == (200 if each.status_code == 201 else 404)
    with closing(sqlite3.connect(tmp_path / "new" / "eligo.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stored = {each for (each,) in connection.execute("SELECT id FROM trial")}
    assert stored == {f"NCT{number:08}" for number, each in told.items() if each.status_code == 201}
