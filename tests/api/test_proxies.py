"""Behind a gateway: which headers count, from whom, and that links lead back through it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

from app.api import examples
from app.api.proxies import Proxies
from app.main import create_app
from app.settings import BadSetting, Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

TRUSTED = ("10.0.0.0/8", "::1")
GATEWAY = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "trials.hospital.example",
    "X-Forwarded-Prefix": "/eligo",
    "X-Forwarded-For": "192.0.2.7",
}


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    answer = {
        "base": str(request.base_url),
        "client": request.client.host if request.client else None,
        "path": scope["path"],
        "headers": sorted(name for name in request.headers if "forwarded" in name),
    }
    await JSONResponse(answer)(scope, receive, send)


async def seen(headers: Any, peer: str = "10.1.2.3", public_url: str = "", path: str = "/v1/trials") -> dict[str, Any]:
    app = Proxies(_echo, TRUSTED, public_url)
    transport = httpx.ASGITransport(app, client=(peer, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://eligo:8000") as client:
        told: dict[str, Any] = (await client.get(path, headers=headers)).json()
        return told


async def test_a_trusted_gateway_says_how_callers_reach_the_service():
    assert await seen(GATEWAY) == {
        "base": "https://trials.hospital.example/eligo/",
        "client": "192.0.2.7",
        "path": "/eligo/v1/trials",
        "headers": [],
    }


async def test_nobody_else_is_believed():
    assert await seen({**GATEWAY, "Forwarded": "for=192.0.2.7;host=evil.example"}, peer="192.0.2.99") == {
        "base": "http://eligo:8000/",
        "client": "192.0.2.99",
        "path": "/v1/trials",
        "headers": [],
    }


async def test_a_call_without_forwarded_headers_is_left_as_it_is():
    assert await seen({}) == {"base": "http://eligo:8000/", "client": "10.1.2.3", "path": "/v1/trials", "headers": []}


@pytest.mark.parametrize("path", ["/v1/trials", "/eligo/v1/trials"])
async def test_a_gateway_may_strip_the_prefix_or_leave_it(path):
    assert (await seen(GATEWAY, path=path))["path"] == "/eligo/v1/trials"


async def test_a_name_that_only_begins_like_the_prefix_is_not_the_prefix():
    assert (await seen(GATEWAY, path="/eligology"))["path"] == "/eligo/eligology"


@pytest.mark.parametrize(
    ("callers", "caller"),
    [
        ("203.0.113.5, 192.0.2.7", "192.0.2.7"),  # who stands before may be made up
        ("192.0.2.7, 10.9.9.9", "192.0.2.7"),  # a second gateway of ours
        ("10.9.9.9", "10.9.9.9"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("192.0.2.7, unknown", "10.1.2.3"),
        ("unknown", "10.1.2.3"),
        ("", "10.1.2.3"),
    ],
)
async def test_the_caller_is_the_last_whom_no_gateway_of_ours_is(callers, caller):
    assert (await seen({"X-Forwarded-For": callers}))["client"] == caller


async def test_several_headers_of_one_name_are_read_together():
    assert (await seen([("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "192.0.2.7")]))["client"] == "192.0.2.7"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Proto": "gopher"},
        {"X-Forwarded-Host": "evil.example/path"},
        {"X-Forwarded-Host": "user@evil.example"},
        {"X-Forwarded-Host": ""},
        {"X-Forwarded-Prefix": "//evil.example"},
        {"X-Forwarded-Prefix": "eligo"},
        {"X-Forwarded-Prefix": '/a"onload='},
    ],
)
async def test_what_is_not_well_formed_counts_as_not_said(headers):
    assert (await seen(headers))["base"] == "http://eligo:8000/"


@pytest.mark.parametrize("peer", ["10.1.2.3", "192.0.2.99"])
async def test_the_public_address_stands_whatever_a_header_says(peer):
    told = await seen({**GATEWAY, "Host": "evil.example"}, peer=peer, public_url="https://trials.example:8443/eligo")

    assert told["base"] == "https://trials.example:8443/eligo/"
    assert told["path"] == "/eligo/v1/trials"


@asynccontextmanager
async def behind(folder: Path, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings(database_url=f"sqlite:///{folder}/eligo.db", judge_processes=1))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8000", headers={**GATEWAY, **headers}
        ) as client,
    ):
        yield client


async def test_links_lead_through_the_gateway(tmp_path):
    public = "https://trials.hospital.example/eligo"
    async with behind(tmp_path) as client:
        registered = await client.post("/v1/trials", content=examples.PAGE, headers={"Content-Type": "text/plain"})
        found = (await client.get("/fhir/ResearchStudy")).json()
        metadata = (await client.get("/fhir/metadata")).json()
        described = (await client.get("/openapi.json")).json()
        refused = await client.get("/fhir/ResearchStudy/none")
        moved = await client.get("/v1/trials/")

    assert registered.headers["location"] == "/eligo/v1/trials/NCT00000000"
    assert found["link"][0]["url"].startswith(f"{public}/fhir/ResearchStudy?")
    assert found["entry"][0]["fullUrl"] == f"{public}/fhir/ResearchStudy/NCT00000000"
    assert metadata["implementation"]["url"] == f"{public}/fhir"
    assert described["servers"] == [{"url": "/eligo"}]
    assert refused.json()["resourceType"] == "OperationOutcome"
    assert moved.headers["location"] == f"{public}/v1/trials"


def test_a_gateway_is_named_by_its_address(monkeypatch):
    monkeypatch.setenv("ELIGO_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1,fd00::/8")
    assert load_settings().trusted_proxies == ("10.0.0.0/8", "192.0.2.1", "fd00::/8")

    monkeypatch.setenv("ELIGO_TRUSTED_PROXIES", "gateway")
    with pytest.raises(BadSetting, match=r"ELIGO_TRUSTED_PROXIES.*10\.0\.0\.0/8"):
        load_settings()
    with pytest.raises(ValidationError):
        Settings(trusted_proxies=("gateway",))
