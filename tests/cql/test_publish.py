"""What is compiled at publication is served with the CQL that it was compiled from, and with no other."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.main import at_hand, create_app
from app.settings import Settings
from tests.cql import engine
from tests.cql.publish import publish

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "A study of something\n\nNCT ID: NCT00000777\n\nInclusion Criteria:\n1. {}\n"


def content(library: dict[str, Any]) -> dict[str, str]:
    return {each["contentType"]: base64.b64decode(each["data"]).decode() for each in library["content"]}


@pytest.mark.skipif(bool(engine.unavailable()), reason=engine.unavailable() or "-")
@pytest.mark.asyncio
async def test_a_library_carries_the_elm_that_its_cql_was_compiled_to(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/eligo.db", judge_processes=1)
    async with at_hand(settings) as hand:
        await hand.trials.register("text/plain", TEXT.format("Age 18 to 75 years"))
        app = create_app(settings)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://x") as client,
        ):
            path = "/fhir/Library/NCT00000777"
            before = await client.get(path)
            assert list(content(before.json())) == ["text/cql"]

            assert await publish(hand, ["NCT00000777"]) == []

            after = await client.get(path, headers={"If-None-Match": before.headers["etag"]})
            assert after.status_code == 200
            assert list(content(after.json())) == ["text/cql", "application/elm+json"]
            elm = json.loads(content(after.json())["application/elm+json"])["library"]
            assert elm["identifier"]["id"] == after.json()["name"]
            assert "I1" in [each["name"] for each in elm["statements"]["def"]]
            same = await client.get(path, headers={"If-None-Match": after.headers["etag"]})
            assert same.status_code == 304
            old = await client.get(f"{path}/_history/{after.json()['meta']['versionId']}")
            assert old.json() == after.json()
            found = (await client.get("/fhir/Library?_id=NCT00000777,EligoRules")).json()
            package = (await client.get("/fhir/ResearchStudy/NCT00000777/$package")).json()
            for bundle in (found, package):
                libraries = [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == "Library"]
                assert {each["name"] for each in libraries} == {"EligoRules", after.json()["name"]}
                assert all("application/elm+json" in content(each) for each in libraries)

            await hand.trials.register("text/plain", TEXT.format("Age 18 to 70 years"))
            amended = await client.get(path)
            assert list(content(amended.json())) == ["text/cql"]
            first = await client.get(f"{path}/_history/1")
            assert "application/elm+json" in content(first.json())
