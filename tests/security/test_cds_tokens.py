"""The attack list of the CDS client's token: each is refused with the right status, and nothing secret is logged."""

from __future__ import annotations

import base64
import hmac
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from starlette.requests import Request

from app.api.cds_clients import Callers, Unauthenticated
from tests.ehr import Ehr, ehr, says
from tests.hooks.conftest import call, service
from tests.hooks.test_calls import FULL, VIEW

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="module")
ISSUER = "https://ehr.example"
PUBLIC = "https://trials.example.org/eligo"
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-384", {"kid": "ec"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa"})


def token(key: Any = RSA, *, header: dict[str, Any] | None = None, without: str = "", **claims: Any) -> str:
    """A token as it should be, but for what is said."""
    now = int(time.time())
    made = {
        "iss": ISSUER,
        "aud": f"{PUBLIC}{VIEW}",
        "exp": now + 120,
        "iat": now,
        "jti": str(uuid.uuid4()),
    } | claims
    made.pop(without, None)
    alg = "ES384" if key is EC else "RS384"
    head = {"alg": alg, "kid": key.kid, "typ": "JWT"} | (header or {})
    return jwt.encode({k: v for k, v in head.items() if v is not None}, made, key, algorithms=[head["alg"]])


Guarded = tuple[httpx.AsyncClient, Ehr]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at_work(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """A service that asks for tokens, and the server with the keys."""
    with ehr() as server:
        issuers = {ISSUER: f"{server.address}/jwks"}
        folder = tmp_path_factory.mktemp("tokens")
        async with service(
            folder, cds_issuers=issuers, public_url=PUBLIC, cors_origins=("https://ehr.example",)
        ) as client:
            yield client, server


@pytest.fixture
def guarded(at_work: Guarded) -> Guarded:
    """The same, with no key fetched yet."""
    client, server = at_work
    server.asked.clear()
    server.answers["/jwks"] = says(200, {"keys": [RSA.as_dict(private=False), EC.as_dict(private=False)]})
    callers = client._transport.app.state.callers  # type: ignore[attr-defined]
    callers._tokens._key_sets._kept.clear()
    return at_work


async def send(client: httpx.AsyncClient, bearer: str | None, url: str = VIEW) -> httpx.Response:
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    return await client.post(url, json=call(FULL), headers=headers)


@pytest.mark.parametrize("key", [RSA, EC], ids=["RS384", "ES384"])
async def test_a_good_token_is_taken(guarded: Guarded, key: Any) -> None:
    client, _ = guarded
    answer = await send(client, token(key))

    assert answer.status_code == 200, answer.text


async def test_discovery_and_feedback_ask_for_a_token_of_their_own(guarded: Guarded) -> None:
    client, _ = guarded
    bare = await client.get("/cds-services")
    wrong = await client.get("/cds-services", headers={"Authorization": f"Bearer {token()}"})
    good = token(aud=[f"{PUBLIC}/cds-services", "https://other.example"])
    right = await client.get("/cds-services", headers={"Authorization": f"Bearer {good}"})
    feedback = await send(client, token(), f"{VIEW}/feedback")

    assert [each.status_code for each in (bare, wrong, right, feedback)] == [401, 401, 200, 401]
    assert bare.headers["www-authenticate"].startswith("Bearer")


def _none() -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": f"{PUBLIC}{VIEW}", "exp": now + 9, "iat": now, "jti": "x"}
    part = jwt.encode({"alg": "HS256"}, claims, OctKey.generate_key())
    return f"eyJhbGciOiJub25lIiwia2lkIjoicnNhIn0.{part.split('.')[1]}."


def _confused() -> str:
    """Signed with HS256, the public key as the secret (made by hand: the library refuses to sign so)."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    now = int(time.time())
    claims = {"iss": ISSUER, "aud": f"{PUBLIC}{VIEW}", "exp": now + 60, "iat": now, "jti": "x"}
    signed = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{part(claims)}"
    mac = hmac.new(RSA.as_pem(private=False), signed.encode(), "sha256").digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    ("make", "expected", "reason"),
    [
        (lambda: None, 401, "Authorization"),
        (_none, 401, "algorithm"),
        (_confused, 401, "algorithm"),
        (lambda: token(STRANGER), 401, "signature"),
        (lambda: token()[:-8] + "AAAAAAAA", 401, "signature"),
        (lambda: token(aud="https://other.example/cds-services"), 401, "aud"),
        (lambda: token(aud=f"http://127.0.0.1{VIEW}"), 401, "aud"),
        (lambda: token(aud=f"{PUBLIC}{VIEW}/"), 401, "aud"),
        (lambda: token(exp=int(time.time()) - 3600), 401, "expired"),
        (lambda: token(exp=int(time.time()) + 90 * 86400), 401, "longer than a day"),
        (lambda: token(without="exp"), 401, "exp"),
        (lambda: token(exp="soon"), 401, "exp"),
        (lambda: token(iat=int(time.time()) + 3600), 401, "iat"),
        (lambda: token(nbf=int(time.time()) + 3600), 401, "nbf"),
        (lambda: token(without="iat"), 401, "iat"),
        (lambda: token(without="jti"), 401, "jti"),
        (lambda: token(without="aud"), 401, "aud"),
        (lambda: token(iss="https://stranger.example"), 403, "issuer"),
        (lambda: token(without="iss"), 403, "issuer"),
        (lambda: token(header={"jku": "https://stranger.example/jwks"}), 401, "jku"),
        (lambda: token(header={"kid": "unknown"}), 401, "signature"),
        (lambda: token(header={"kid": None}), 401, "kid"),
        (lambda: token(padding="x" * 40_000), 401, "too long"),
        (lambda: "not.a.token", 401, "no signed token"),
    ],
    ids=[
        "none sent", "alg none", "HS256 with the public key", "a stranger's key", "a broken signature",
        "another audience", "the internal address", "a slash too many", "expired", "for months", "no exp",
        "exp in words", "issued tomorrow", "valid tomorrow", "no iat", "no jti", "no aud", "a foreign issuer",
        "no issuer", "a foreign jku", "an unknown kid", "no kid", "oversized", "no token",
    ],
)  # fmt: skip
async def test_an_attack_is_refused(
    guarded: Guarded, caplog: pytest.LogCaptureFixture, make: Any, expected: int, reason: str
) -> None:
    with caplog.at_level("DEBUG"):
        client, server = guarded
        bearer = make()
        answer = await send(client, bearer)

    assert answer.status_code == expected, answer.text
    assert reason in answer.json()["detail"]
    assert "cards" not in answer.text
    assert bearer is None or bearer not in caplog.text + answer.text
    assert {path for path, _ in server.asked} <= {"/fhir/jwks"}


async def test_a_token_is_taken_once_for_all_replicas(guarded: Guarded) -> None:
    client, _ = guarded
    state = client._transport.app.state  # type: ignore[attr-defined]
    replica = Callers(state.callers._tokens, state.callers._open_used, PUBLIC)
    bearer = token()

    first, second = await send(client, bearer), await send(client, bearer)

    assert [each.status_code for each in (first, second)] == [200, 401]
    assert "used before" in second.json()["detail"]
    scope = {
        "type": "http",
        "method": "POST",
        "path": VIEW,
        "headers": [(b"authorization", f"Bearer {bearer}".encode())],
    }
    with pytest.raises(Unauthenticated, match="used before"):  # the database knows it, and another process asks it
        await replica.admit(Request(scope))


async def test_keys_are_fetched_anew_when_they_are_rotated(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.clients.tokens._AGAIN_S", 0.0)
    new = RSAKey.generate_key(2048, {"kid": "new"})
    client, server = guarded
    before = await send(client, token())
    server.answers["/jwks"] = says(200, {"keys": [new.as_dict(private=False)]})
    rotated = await send(client, token(new))
    old = await send(client, token())

    assert [each.status_code for each in (before, rotated, old)] == [200, 200, 401]


async def test_keys_are_not_fetched_for_every_unknown_kid(guarded: Guarded) -> None:
    client, server = guarded
    for number in range(6):
        await send(client, token(header={"kid": f"k{number}"}))

    assert len(server.asked) == 1


async def test_keys_that_are_known_go_on_serving_while_their_address_fails(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.clients.tokens._FRESH_S", 0.0)
    client, server = guarded
    before = await send(client, token())
    server.answers["/jwks"] = says(500)
    during = await send(client, token())

    assert [each.status_code for each in (before, during)] == [200, 200]


async def test_keys_that_were_never_had_are_a_503(guarded: Guarded) -> None:
    client, server = guarded
    server.answers["/jwks"] = says(500)
    answer = await send(client, token())

    assert answer.status_code == 503
    assert answer.headers["retry-after"]


async def test_switched_off_it_answers_this_machine_only_and_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with service(tmp_path, cds_issuers={ISSUER: "https://ehr.example/jwks"}, cds_auth="none") as client:
        here = await send(client, None)
        elsewhere = httpx.ASGITransport(client._transport.app, client=("10.0.0.7", 1))  # type: ignore[attr-defined]
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://eligo") as stranger:
            there = await send(stranger, None)

    assert (here.status_code, there.status_code) == (200, 403)
    assert "ELIGO_CDS_AUTH=none" in caplog.text


async def test_a_web_page_may_call_where_its_origin_is_listed(guarded: Guarded) -> None:
    client, _ = guarded
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}

    listed = await client.options(VIEW, headers={"Origin": "https://ehr.example", **ask})
    other = await client.options(VIEW, headers={"Origin": "https://evil.example", **ask})

    assert listed.headers["access-control-allow-origin"] == "https://ehr.example"
    assert "access-control-allow-origin" not in other.headers
