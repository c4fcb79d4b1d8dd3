"""A terminology server, asked when a trial was stored: whole, slow, failing and broken answers. Never while judging."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlparse

import httpx
import pytest

from app.clients.terminology import Terminology, TerminologyUnavailable
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERSION = "http://snomed.info/sct/900000000000207008/version/20260101"
NEW = "999000111222"  # a code that no catalogue lists
TRIAL = "A study of something\n\nNCT ID: NCT00000901\n\nInclusion Criteria:\n1. Type 2 diabetes\n"
RECORD = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {"resource": {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1961-04-23"}},
        {
            "resource": {
                "resourceType": "Condition",
                "id": "c1",
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": NEW}]},
                "subject": {"reference": "Patient/p1"},
                "onsetDateTime": "2020-01-01",
            }
        },
    ],
}


def whole(path: str, query: dict[str, str]) -> tuple[int, Any]:
    """What a server with SNOMED CT answers."""
    if path.endswith("/CodeSystem"):
        system = {"resourceType": "CodeSystem", "version": VERSION, "status": "active"}
        return 200, {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": system}]}
    assert query["url"].startswith(f"{VERSION}?fhir_vs=ecl/<<"), query
    codes = ["44054006", NEW] if "<<44054006" in query["url"] else []
    page = codes[int(query["offset"]) :]
    expansion = {"total": len(codes), "contains": [{"system": "http://snomed.info/sct", "code": each} for each in page]}
    return 200, {"resourceType": "ValueSet", "expansion": expansion}


@contextmanager
def answering(answer: Callable[[str, dict[str, str]], tuple[int, Any]]) -> Iterator[tuple[str, list[str]]]:
    """A real HTTP server: its address, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parsed = urlparse(self.path)
            asked.append(parsed.path)
            status, content = answer(parsed.path, {key: one[0] for key, one in parse_qs(parsed.query).items()})
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except BrokenPipeError:
                pass  # who asked has gone

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/fhir", asked
    finally:
        server.shutdown()
        server.server_close()


def status(address: str) -> tuple[str, dict[str, Any]]:
    answer = httpx.post(f"{address}/v1/trials/NCT00000901/evaluate?asOf=2026-11-22", json=RECORD, timeout=60).json()
    return answer["criteria"][0]["status"], answer["criteria"][0]


def store(address: str) -> float:
    """How long storing the trial took."""
    started = time.monotonic()
    answer = httpx.post(f"{address}/v1/trials", content=TRIAL, headers={"Content-Type": "text/plain"}, timeout=60)
    assert answer.status_code == 201
    return time.monotonic() - started


def until_passes(address: str, seconds: float) -> dict[str, Any]:
    until = time.monotonic() + seconds
    found = ""
    while time.monotonic() < until:
        found, criterion = status(address)
        if found == "pass":
            return criterion
        time.sleep(0.3)
    raise AssertionError(f"still {found}")


def test_a_code_beneath_one_that_a_trial_names_is_a_kind_of_it(tmp_path):
    with answering(whole) as (url, asked), serving(tmp_path, ELIGO_TERMINOLOGY_URL=url) as served:
        store(served.address)
        criterion = until_passes(served.address, 60)

        evidence = criterion["evidence"][0]
        assert evidence["code"]["map"] == f"{VERSION}?fhir_vs=ecl/<<44054006"
        before = len(asked)
        for _ in range(3):
            status(served.address)
        assert [each for each in asked[before:] if "expand" in each] == []


def test_what_was_kept_holds_after_a_restart_without_the_server(tmp_path):
    with answering(whole) as (url, _), serving(tmp_path, ELIGO_TERMINOLOGY_URL=url) as served:
        store(served.address)
        until_passes(served.address, 60)
    with serving(tmp_path, ELIGO_TERMINOLOGY_URL=url) as served:  # nobody answers there now
        assert status(served.address)[0] == "pass"


def test_a_slow_server_holds_nothing_up(tmp_path):
    def slow(path: str, query: dict[str, str]) -> tuple[int, Any]:
        time.sleep(3)
        return whole(path, query)

    with (
        answering(slow) as (url, _),
        serving(tmp_path, ELIGO_TERMINOLOGY_URL=url, ELIGO_TERMINOLOGY_TIMEOUT_S="0.5") as served,
    ):
        assert store(served.address) < 60
        until = time.monotonic() + 60
        while "did not answer in time" not in served.log.read_text():
            assert time.monotonic() < until
            time.sleep(0.3)
        assert status(served.address)[0] != "pass"


BROKEN = {
    "an error": lambda path, query: (500, {}),
    "no JSON": lambda path, query: (200, b"<html>"),
    "no expansion": lambda path, query: (200, {"resourceType": "OperationOutcome"}),
    "a part of what it counts": lambda path, query: (
        200,
        {"resourceType": "ValueSet", "expansion": {"total": 5, "contains": [{"code": "1"}]}},
    ),
    "the same page for ever": lambda path, query: (
        200,
        {"resourceType": "ValueSet", "expansion": {"contains": [{"code": str(each)} for each in range(1000)]}},
    ),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", BROKEN)
async def test_an_answer_that_is_not_whole_is_none(name):
    with answering(BROKEN[name]) as (url, _):
        server = Terminology(url, timeout_s=5)
        with pytest.raises(TerminologyUnavailable):
            await server.expand("<<44054006", VERSION)
        await server.close()


@pytest.mark.asyncio
async def test_pages_are_put_together():
    codes = [str(each) for each in range(2500)]

    def paged(path: str, query: dict[str, str]) -> tuple[int, Any]:
        first, count = int(query["offset"]), int(query["count"])
        some = codes[first : first + count]
        return 200, {
            "resourceType": "ValueSet",
            "expansion": {"total": len(codes), "contains": [{"code": each} for each in some]},
        }

    with answering(paged) as (url, asked):
        server = Terminology(url, timeout_s=5)
        assert await server.expand("<<1", VERSION) == tuple(sorted(codes))
        await server.close()
    assert len(asked) == 3
