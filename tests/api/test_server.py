"""The service as it runs: `eligo serve` in a process of its own, on loopback."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.api import examples
from app.api.limits import NoLeaks
from app.main import _without_query
from tests.serving import Served, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

FHIR = {"Content-Type": "application/fhir+json"}
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
SECRET = "Xanthippe-4711"
LIMIT = 8_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("server"), ELIGO_MAX_BODY_BYTES=str(LIMIT)) as served:
        yield served


def big_bundle(size: int) -> bytes:
    """One patient with ever more haemoglobin values, of at least `size` bytes."""
    entries: list[dict[str, Any]] = [*examples.BUNDLE["entry"]]
    sample = observation(0)
    entries += [observation(number) for number in range(size // len(json.dumps(sample)) + 1)]
    return json.dumps({**examples.BUNDLE, "entry": entries}).encode()


def observation(number: int) -> dict[str, Any]:
    return {
        "resource": {
            "resourceType": "Observation",
            "id": f"o{number}",
            "status": "final",
            "subject": {"reference": "Patient/p1"},
            "code": {
                "text": "Haemoglobin of the day",
                "coding": [{"system": "http://example.org/local", "code": "hb"}],
            },
            "effectiveDateTime": f"20{number % 20 + 10}-01-01",
            "valueQuantity": {"value": 9.5, "unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL"},
        }
    }


def test_it_lives_is_ready_and_describes_itself(server):
    address, _ = server

    assert httpx.get(f"{address}/health/live").json() == {"status": "live"}
    assert httpx.get(f"{address}/health/ready").json() == {
        "status": "ready",
        "database": "current",
        "workers": "ready",
    }
    assert httpx.get(f"{address}/docs").status_code == 200
    assert httpx.get(f"{address}/openapi.json").json()["info"]["title"] == "Eligo"


@pytest.mark.parametrize(
    ("name", "inclusions", "exclusions"),
    [
        ("NCT03619954", 8, 17),
        ("NCT05143125", 6, 11),
        ("NCT06991478", 0, 17),
        ("NCT07561437", 9, 16),
        ("cord-blood-nk-soft-tissue-sarcoma", 13, 25),
    ],
)
def test_the_five_registrations_import_with_every_criterion(server, shared, name, inclusions, exclusions):
    address, _ = server
    text = (shared / "trials" / f"{name}.txt").read_text()

    first = httpx.post(f"{address}/v1/trials", content=text.encode(), headers=TEXT, timeout=60)
    again = httpx.post(f"{address}/v1/trials", content=text.encode(), headers=TEXT, timeout=60)

    assert (first.status_code, again.status_code) == (201, 200), first.text
    listed = [each for each in first.json()["criteria"] if each["id"][1:].isdigit()]  # not those made from fields
    assert [each["id"] for each in listed] == [
        *(f"I{number + 1}" for number in range(inclusions)),
        *(f"E{number + 1}" for number in range(exclusions)),
    ]
    for criterion in listed:
        start, end = criterion["span"]
        assert criterion["text"] == first.json()["text"][start:end]


async def test_others_are_answered_while_a_big_record_is_judged(server):
    address, _ = server
    body = big_bundle(5_000_000)
    assert len(body) >= 5_000_000
    async with httpx.AsyncClient(base_url=address, timeout=60) as big, httpx.AsyncClient(base_url=address) as small:
        assert (await big.post("/v1/trials", content=examples.PAGE, headers={"Content-Type": "text/plain"})).is_success
        judging = asyncio.create_task(judge_repeatedly(big, body, 3))
        answered = 0
        slow = 0
        while not judging.done():
            began = time.monotonic()
            assert (await small.get("/health/live")).status_code == 200
            answered += 1
            slow += time.monotonic() - began > 0.25  # this client shares its own loop, and two cores, with all of it
        reports = await judging

    assert len(set(reports)) == 1
    assert json.loads(reports[0])["criteria"][0]["status"] == "pass"
    assert answered >= 20
    assert slow <= answered // 4


async def judge_repeatedly(client: httpx.AsyncClient, body: bytes, times: int) -> list[bytes]:
    reports = []
    for _ in range(times):
        answer = await client.post("/v1/trials/NCT00000000/evaluate?asOf=2026-11-22", content=body, headers=FHIR)
        assert answer.status_code == 200, answer.text
        reports.append(answer.content)
    return reports


async def test_too_much_is_refused_without_being_read_to_the_end(server):
    """A body that never ends: the answer comes all the same, soon after the limit, and the connection is closed."""
    address, _ = server
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/evaluate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    sent = 0
    while not answer.done() and sent < 10 * LIMIT:
        writer.write(piece)
        sent += len(piece)
        try:
            await asyncio.wait_for(writer.drain(), 5)
        except (ConnectionError, TimeoutError):
            break
        await asyncio.sleep(0)
    head = await asyncio.wait_for(answer, 5)

    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in head.lower()
    assert sent < 3 * LIMIT
    writer.close()


async def test_a_length_beyond_the_limit_is_refused_before_anything_is_sent(server):
    address, _ = server
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/evaluate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)

    assert head.startswith(b"HTTP/1.1 413 ")
    writer.close()


def test_nothing_of_a_record_or_a_query_is_logged(server):
    address, log = server
    bundle = json.loads(json.dumps(examples.BUNDLE).replace("p1", SECRET))
    for path in ("/v1/evaluate", "/v1/trials/NCT00000000/evaluate"):
        for body in (json.dumps(bundle), json.dumps(bundle)[:-3], json.dumps({"resourceType": SECRET})):
            httpx.post(f"{address}{path}?patient={SECRET}", content=body, headers=FHIR)
            httpx.post(f"{address}{path}?asOf={SECRET}", content=body, headers=FHIR)
    text = log.read_text()

    assert "POST /v1/evaluate 400" in text
    assert SECRET not in text


async def test_a_bug_is_answered_and_logged_without_its_message(caplog):
    async def buggy(*_: object) -> None:
        raise ValueError(SECRET)

    with caplog.at_level(logging.DEBUG):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(NoLeaks(buggy)), base_url="http://x") as client:
            answer = await client.get("/")

    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert SECRET not in answer.text
    assert SECRET not in caplog.text
    assert "ValueError at " in caplog.text


def test_the_query_is_cut_off_what_the_server_logs():
    record = logging.makeLogRecord({"msg": "%s %s %s %s %d", "args": ("me", "GET", f"/x?patient={SECRET}", "1.1", 200)})

    assert _without_query(record)
    assert record.getMessage() == "me GET /x 1.1 200"


def test_a_package_goes_from_one_server_call_to_the_next(server):
    """Over HTTP as it is: import, package, the package imported again, and a record judged by what came of it."""
    address, _ = server
    with httpx.Client(base_url=address, headers={"Accept": "application/fhir+json; fhirVersion=5.0"}) as http:
        page = examples.PAGE.replace("NCT00000000", "NCT00000777")
        made = http.post("/fhir/ResearchStudy/$import", content=page, headers=TEXT)
        package = http.get("/fhir/ResearchStudy/NCT00000777/%24package")
        path = "/fhir/ResearchStudy/NCT00000777/$check-eligibility?asOf=2026-11-22"
        before = http.post(path, json=examples.BUNDLE).json()
        again = http.post("/v1/trials", content=package.content, headers=FHIR)
        after = http.post(path, json=examples.BUNDLE).json()

        assert (made.status_code, package.status_code, again.status_code) == (201, 200, 201)
        assert made.headers["location"] == f"{address}/fhir/ResearchStudy/NCT00000777"
        assert made.json() == package.json()
        parameters = [[each for each in one["contained"][0]["parameter"] if each["name"] == "criterion"]
                      for one in (before, after)]  # fmt: skip
        assert parameters[0] == parameters[1]
        broken = http.post(path, content=b"{}", headers={**FHIR, "Content-Encoding": "br"})
        assert broken.json()["resourceType"] == "OperationOutcome"
        assert http.get("/fhir/none").json()["issue"][0]["code"] == "not-supported"
