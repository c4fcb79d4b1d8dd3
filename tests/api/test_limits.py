"""What one caller may take, over HTTP as it is: sizes, depth, entries, time, places in line, and a stop amid work."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from app.api import examples
from tests.api.test_server import big_bundle
from tests.serving import Served, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

FHIR = {"Content-Type": "application/fhir+json"}
JUDGE = "/v1/trials/NCT00000000/evaluate?asOf=2026-11-22"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = {
        "ELIGO_MAX_ENTRIES": "60000",
        "ELIGO_BODY_TIMEOUT_S": "1.5",
        "ELIGO_HEADER_TIMEOUT_S": "1",
        "ELIGO_JUDGE_LINE": "1",
        "ELIGO_JUDGE_WAIT_S": "20",
        "ELIGO_MAX_BODY_BYTES": "40000000",
    }
    with serving(tmp_path_factory.mktemp("limits"), **limits) as served:
        made = httpx.post(f"{served.address}/v1/trials", content=examples.PAGE, headers={"Content-Type": "text/plain"})
        assert made.status_code == 201
        yield served


def refused(answer: httpx.Response, status: int, kind: str) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert answer.json()["type"] == f"urn:eligo:problem:{kind}"


def test_what_inflates_like_a_bomb_is_refused_long_before_the_limit_of_bodies(server):
    bomb = gzip.compress(b" " * 30_000_000)
    answer = httpx.post(f"{server.address}{JUDGE}", content=bomb, headers={**FHIR, "Content-Encoding": "gzip"})
    refused(answer, 413, "inflates-too-much")
    record = gzip.compress(big_bundle(2_000_000))  # the same entry over and over: more alike than any record is
    answer = httpx.post(
        f"{server.address}{JUDGE}", content=record, headers={**FHIR, "Content-Encoding": "gzip"}, timeout=60
    )
    assert answer.status_code == 200


def test_a_bundle_with_too_many_entries_is_refused(server):
    entry = {"resource": {"resourceType": "Basic"}}
    bundle = {**examples.BUNDLE, "entry": [*examples.BUNDLE["entry"], *([entry] * 60_000)]}
    answer = httpx.post(f"{server.address}{JUDGE}", json=bundle, headers=FHIR, timeout=60)

    refused(answer, 413, "too-many-entries")
    fhir = httpx.post(
        f"{server.address}/fhir/ResearchStudy/NCT00000000/$check-eligibility", json=bundle, headers=FHIR, timeout=60
    )
    assert (fhir.status_code, fhir.json()["issue"][0]["code"]) == (413, "too-long")


@pytest.mark.parametrize("depth", [5_000, 500_000])
def test_what_is_nested_without_end_is_refused(server, depth):
    body = b'{"resourceType": "Bundle", "type": "collection", "entry": [{"resource": ' + b'{"a":' * depth
    for sent in (body, body + b"1" + b"}" * depth + b"}]}", b"[" * depth, b"[" * depth + b"]" * depth):
        for path in (JUDGE, "/v1/evaluate", "/v1/evaluate/inline", "/v1/trials", "/cds-services/trials-patient-view"):
            kind = "application/json" if "evaluate?" not in path else FHIR["Content-Type"]
            answer = httpx.post(f"{server.address}{path}", content=sent, headers={"Content-Type": kind}, timeout=30)
            assert answer.status_code in {400, 422}, (path, answer.text[:300])


async def connect(server: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = server.address.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


HEAD = b"POST /v1/evaluate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


async def test_a_body_that_drips_is_answered_408(server):
    reader, writer = await connect(server)
    writer.write(HEAD)
    began = time.monotonic()
    answer = asyncio.create_task(reader.read())
    while not answer.done() and time.monotonic() - began < 10:
        writer.write(b" ")
        await asyncio.sleep(0.1)
    told = await answer

    assert told.startswith(b"HTTP/1.1 408 ")
    assert b"urn:eligo:problem:slow-body" in told
    assert 1 < time.monotonic() - began < 9
    writer.close()


async def test_a_head_that_drips_is_answered_408_and_one_that_never_comes_is_closed(server):
    for first, headers in ((b"", b""), (b"GET /health/live HTTP/1.1\r\nHost: x\r\n", b"X-A: ")):
        reader, writer = await connect(server)
        writer.write(first)
        began = time.monotonic()
        answer = asyncio.create_task(reader.read())
        while not answer.done() and time.monotonic() - began < 10:
            writer.write(headers and b"a")
            await asyncio.sleep(0.1)
        assert (await answer).startswith(b"HTTP/1.1 408 ")
        assert 0.5 < time.monotonic() - began < 9
        writer.close()


async def test_a_later_head_on_a_kept_connection_may_not_drip_either(server):
    reader, writer = await connect(server)
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readuntil(b'"}')).startswith(b"HTTP/1.1 200 ")
    writer.write(b"GET /health/live HTTP/1.1\r\n")
    told = await asyncio.wait_for(reader.read(), 9)

    assert told.startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_many_slow_callers_hold_up_nobody(server):
    slow = [await connect(server) for _ in range(200)]
    for _, writer in slow:
        writer.write(HEAD)
    async with httpx.AsyncClient(base_url=server.address, timeout=30) as client:
        answer = await client.post(JUDGE, json=examples.BUNDLE, headers=FHIR)
    assert answer.status_code == 200
    for reader, writer in slow:
        assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_more_than_can_wait_is_shed_at_once_with_when_to_come_again(server):
    body = big_bundle(3_000_000)
    async with httpx.AsyncClient(base_url=server.address, timeout=60) as client:
        answers = await asyncio.gather(*(client.post(JUDGE, content=body, headers=FHIR) for _ in range(12)))
        after = await client.post(JUDGE, json=examples.BUNDLE, headers=FHIR)
    statuses = [each.status_code for each in answers]

    assert set(statuses) == {200, 503}
    assert statuses.count(200) >= 2
    assert after.status_code == 200
    for each in answers:
        if each.status_code == 503:
            refused(each, 503, "too-busy")
            assert int(each.headers["retry-after"]) > 0


def children(process_id: str) -> list[str]:
    return Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()


def server_process(server: Served) -> str:
    """The process of this test that listens there."""
    mine = children(str(os.getpid()))
    port = server.address.rpartition(":")[2].encode()
    return next(each for each in mine if port in Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0"))


async def test_a_stop_amid_work_lets_the_work_be_done(tmp_path):
    body = big_bundle(5_000_000)
    with serving(tmp_path) as served:
        async with httpx.AsyncClient(base_url=served.address, timeout=60) as client:
            await client.post("/v1/trials", content=examples.PAGE, headers={"Content-Type": "text/plain"})
            asked = [asyncio.create_task(client.post(JUDGE, content=body, headers=FHIR)) for _ in range(4)]
            _, running = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            assert running
            os.kill(int(server_process(served)), signal.SIGTERM)
            answers = await asyncio.gather(*asked)

    assert [each.status_code for each in answers] == [200] * 4
    assert len({each.content for each in answers}) == 1
    assert json.loads(answers[0].content)["criteria"][0]["status"] == "pass"
