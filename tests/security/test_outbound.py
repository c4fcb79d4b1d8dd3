"""Server-side request forgery: nothing is called but what the operator listed, in whatever form an address comes."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.clients.outbound import Allowlist, GuardedTransport, NotAllowed, read_base
from tests.ehr import ehr, says
from tests.hooks.conftest import COLON, PATIENT, call, searchset, service
from tests.hooks.test_calls import VIEW

if TYPE_CHECKING:
    from pathlib import Path

LISTED = "https://ehr.example/fhir"


@pytest.mark.parametrize(
    "address",
    [
        "https://ehr.example/fhir",
        "https://ehr.example/fhir/",
        "https://ehr.example:443/fhir/Patient/p1",
        "https://EHR.example/fhir/Condition?patient=p1",
    ],
)
def test_what_lies_under_a_listed_base_may_be_called(address: str) -> None:
    Allowlist([read_base(LISTED)]).check(address)


@pytest.mark.parametrize(
    "address",
    [
        "http://ehr.example/fhir",
        "https://ehr.example:8443/fhir",
        "https://ehr.example/other",
        "https://ehr.example/fhirx",
        "https://ehr.example/fhir/../admin",
        "https://ehr.example/fhir/%2e%2e/admin",
        "https://ehr.example.evil.example/fhir",
        "https://ehr.example@evil.example/fhir",
        "https://evil.example/fhir#https://ehr.example/fhir",
        "https://user:secret@ehr.example/fhir",
        "file:///etc/passwd",
        "gopher://ehr.example/fhir",
        "//ehr.example/fhir",
        "https:///fhir",
        "http://169.254.169.254/latest/meta-data",
        "http://2852039166/latest/meta-data",
        "http://0251.0376.0251.0376/latest/meta-data",
        "http://[::ffff:169.254.169.254]/latest/meta-data",
        "http://127.0.0.1/fhir",
        "http://[::1]/fhir",
        "http://0/fhir",
        "https://ehr.example:99999/fhir",
        "https://[bad/fhir",
        "",
    ],
)
def test_nothing_else_may(address: str) -> None:
    with pytest.raises(NotAllowed):
        Allowlist([read_base(LISTED)]).check(address)


@pytest.mark.parametrize(
    "base", ["ehr.example/fhir", "ftp://ehr.example", "https://u:p@ehr.example", "https://e.example/?q=1", ""]
)
def test_a_base_is_an_http_address(base: str) -> None:
    with pytest.raises(NotAllowed):
        read_base(base)


def _resolves(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Let every name mean these addresses, one after the other, and say what was asked."""
    asked: list[str] = []

    async def getaddrinfo(_: Any, host: str, port: int, **__: Any) -> list[Any]:
        address = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "::1", "0.0.0.0", "::", "169.254.169.254", "fe80::1", "10.0.0.5", "192.168.1.1", "172.16.0.1",
        "fd00::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "224.0.0.1", "100.64.0.1", "64:ff9b::7f00:1",
    ],
)  # fmt: skip
async def test_a_listed_name_may_not_mean_an_inner_address(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    _resolves(monkeypatch, address)
    transport = GuardedTransport(Allowlist([read_base("http://ehr.example/fhir")]))

    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(NotAllowed):
            await client.get("http://ehr.example/fhir/Patient/p1")


@pytest.mark.asyncio
@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "0.0.0.0", "fe80::1", "::ffff:127.0.0.1"])
async def test_private_networks_can_be_allowed_this_machine_and_its_metadata_cannot(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    _resolves(monkeypatch, address)
    allowlist = Allowlist([read_base("http://ehr.example/fhir")], private=True)
    allowlist.check_resolved("ehr.example", ip_address("10.0.0.5"))

    async with httpx.AsyncClient(transport=GuardedTransport(allowlist)) as client:
        with pytest.raises(NotAllowed):
            await client.get("http://ehr.example/fhir/Patient/p1")


@pytest.mark.asyncio
async def test_the_name_is_asked_for_once_so_that_a_second_answer_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ehr(PATIENT) as server:
        port = server.address.rsplit(":", 1)[1].split("/")[0]
        base = f"http://ehr.example:{port}/fhir"
        allowlist = Allowlist([read_base(base)], private=True)
        monkeypatch.setattr(allowlist, "check_resolved", lambda *_: None)  # the first answer passes
        asked = _resolves(monkeypatch, "127.0.0.1", "203.0.113.1")
        async with httpx.AsyncClient(transport=GuardedTransport(allowlist)) as client:
            answer = await client.get(f"{base}/Patient/p1")

    assert answer.status_code == 200
    assert asked == ["ehr.example"]


@pytest.mark.asyncio
async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with ehr(PATIENT) as inner, ehr() as server:
        server.answers["/Patient/p1"] = says(302, Location=f"{inner.address}/Patient/p1")
        async with service(tmp_path, cds_fhir_servers=(server.address,)) as client:
            answer = await client.post(VIEW, json=call(None, fhirServer=server.address))

    assert answer.status_code == 412
    assert inner.asked == []


OTHERS = (
    "http://169.254.169.254/latest", "http://2852039166/", "http://[::ffff:7f00:1]/fhir", "http://localhost:1/fhir",
)  # fmt: skip


@pytest.mark.asyncio
async def test_a_caller_who_names_another_server_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authorization = {"access_token": "CANARY-TOKEN", "token_type": "Bearer"}
    prefetch = {"patient": PATIENT, "conditions": searchset(COLON)}
    caplog.set_level("DEBUG")
    async with service(tmp_path, cds_fhir_servers=(LISTED,)) as client:
        answers = [
            await client.post(VIEW, json=call(prefetch, fhirServer=each, fhirAuthorization=authorization))
            for each in OTHERS
        ]

    assert [each.status_code for each in answers] == [403] * len(OTHERS)
    assert all("under none of the bases" in each.json()["detail"] for each in answers)
    assert "CANARY-TOKEN" not in caplog.text + "".join(each.text for each in answers)
