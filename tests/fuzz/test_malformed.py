"""Files that are broken in ways that others have met, and damaged further: refused with what and where, or warned of.

By default three damaged copies a file; `make fuzz` (ELIGO_FUZZ=full) makes a hundred.
"""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from app.api import examples
from app.main import create_app
from app.settings import Settings
from tests.api.conftest import running
from tests.fuzz.mutating import all_mutated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

in_module = pytest.mark.asyncio(loop_scope="module")
COPIES = 100 if os.environ.get("ELIGO_FUZZ") == "full" else 3
SEED = 20261124
FHIR = {"Content-Type": "application/fhir+json"}
REFUSED = {400, 413, 422}
TRIAL = "NCT00000000"
CALLS = (f"/v1/trials/{TRIAL}/evaluate", f"/fhir/ResearchStudy/{TRIAL}/$check-eligibility")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    folder = tmp_path_factory.mktemp("malformed")
    async with running(create_app(Settings(database_url=f"sqlite:///{folder}/eligo.db", judge_processes=1))) as started:
        await started.post("/v1/trials", content=examples.PAGE, headers={"Content-Type": "text/plain"})
        yield started


def beside_a_patient(body: bytes) -> bytes:
    """As a resource of a Bundle that is sound otherwise."""
    patient = b'{"resource":{"resourceType":"Patient","id":"p1","gender":"female","birthDate":"1960-05-01"}}'
    return b'{"resourceType":"Bundle","type":"collection","entry":[' + patient + b',{"resource":' + body + b"}]}"


def refused(told: dict[str, Any], status: int) -> list[str]:
    """What a problem or an OperationOutcome says."""
    if "resourceType" in told:
        assert told["resourceType"] == "OperationOutcome"
        assert all(each["severity"] in {"error", "fatal"} and each["code"] for each in told["issue"])
        return [each["diagnostics"] for each in told["issue"]]
    assert (told["status"], told["type"].partition("problem:")[0]) == (status, "urn:eligo:")
    return [told["detail"]]


def judged(told: dict[str, Any]) -> bool:
    """Whether it is a report, or the GuidanceResponse that one became."""
    if "resourceType" in told:
        return told["resourceType"] == "GuidanceResponse" and bool(told["status"])
    return bool(told["criteria"]) and bool(told["patient"])


async def answered(client: httpx.AsyncClient, path: str, body: bytes) -> str:
    """How it went: `judged`, or the status of a refusal that says something."""
    answer = await client.post(path, content=body, headers=FHIR)
    assert answer.status_code in REFUSED | {200}, (path, answer.status_code, answer.text[:500], body[:300])
    told = answer.json()
    if answer.status_code == 200:
        assert judged(told), (path, answer.text[:500], body[:300])
        return "judged"
    said = refused(told, answer.status_code)
    assert said, answer.text
    assert all(len(each) > 15 for each in said), answer.text
    return str(answer.status_code)


@in_module
async def test_every_broken_file_and_its_damaged_copies_are_refused_or_judged(client, shared):
    files = sorted(each for each in (shared / "data" / "malformed").rglob("*") if each.is_file())
    assert len(files) >= 13
    bodies = [each.read_bytes() for each in files]
    sent = [*bodies, *all_mutated(bodies, Random(SEED), COPIES)]
    sent += [beside_a_patient(each) for each in sent]
    counts: dict[str, int] = {}
    for path in CALLS:
        for body in sent:
            how = await answered(client, path, body or b"x")
            counts[how] = counts.get(how, 0) + 1
    print(f"{sum(counts.values())} requests: {counts}")  # noqa: T201  the figures wanted

    assert counts["judged"] > 10
    assert counts["400"] > 10


@in_module
@pytest.mark.parametrize(
    ("file", "status", "says"),
    [
        ("bad-json-close-1.json", 400, "expected ',' or '}' (byte 546)"),
        ("bundle-bad-empty.json", 400, "3 patients"),
        ("bundle-duplicate-id.json", 400, "2 patients"),
        ("json-comma-bad-1.json", 400, "(byte 266)"),
        ("json-comments-1.json", 400, "invalid character (byte 159)"),
        ("list-bad-syntax.json", 400, "(byte 256)"),
        ("mcode-pat-bad.json", 400, "trailing comma in object (byte 244)"),
        ("nl-patient-date.json", 400, "2 patients"),
        ("obs-quantity.json", 200, "no-subject"),
        ("observation-with-trailing-dot.json", 400, "invalid number (byte 512)"),
    ],
)
async def test_what_is_broken_is_said_with_its_place(client, shared, file, status, says):
    body = beside_a_patient((shared / "data" / "malformed" / file).read_bytes())

    answer = await client.post(CALLS[0], content=body, headers=FHIR)

    assert answer.status_code == status, answer.text
    told = answer.json()
    assert says in (told["detail"] if status != 200 else [each["code"] for each in told["warnings"]])
