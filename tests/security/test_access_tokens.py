"""Who is let in: the attack list of access tokens, keys that rotate, servers that are down, and what scopes grant."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio
from joserfc.jwk import RSAKey

from app.api import examples
from app.api.authentication import Authenticate
from app.clients.authority import Authority
from app.clients.introspection import Introspection, IntrospectionUnavailable
from app.clients.tokens import KeySets, KeysUnavailable, TokenRefused, Verifier
from app.main import create_app
from app.settings import Settings
from tests.api.conftest import running
from tests.issuer import ALL, PUBLIC, Issuer, issuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")
TRIALS = "/v1/trials"
STRANGER = RSAKey.generate_key(2048, {"kid": "first"})
Guarded = tuple[httpx.AsyncClient, Issuer]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """A service that believes one issuer by its keys and by what it answers, with a trial stored."""
    folder = tmp_path_factory.mktemp("tokens")
    with issuer() as server:
        settings = Settings(
            database_url=f"sqlite:///{folder}/eligo.db",
            judge_processes=1,
            auth_token_url="https://login.example/token",
            cors_origins=("https://ehr.example",),
            **server.by_introspection | server.by_keys,
        )
        async with running(create_app(settings)) as client:
            made = await client.post(
                TRIALS, content=examples.PAGE, headers={"Content-Type": "text/plain", **bearer(server.token())}
            )
            assert made.status_code == 201, made.text
            yield client, server


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _none(server: Issuer) -> str:
    return f"{_part({'alg': 'none', 'kid': 'first'})}.{_part(server.claims(ALL))}."


def _confused(server: Issuer) -> str:
    """Signed with HS256, the public key as the secret (made by hand: the library refuses to sign so)."""
    signed = f"{_part({'alg': 'HS256', 'kid': 'first'})}.{_part(server.claims(ALL))}"
    mac = hmac.new(server.keys[0].as_pem(private=False), signed.encode(), "sha256").digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_none, "algorithm"),
        (_confused, "algorithm"),
        (lambda server: server.token(key=STRANGER), "signature"),
        (lambda server: server.token()[:-8] + "AAAAAAAA", "signature"),
        (lambda server: server.token(header={"kid": "unknown"}), "signature"),
        (lambda server: server.token(header={"kid": None}), "kid"),
        (lambda server: server.token(header={"jku": "https://evil.example/jwks"}), "jku"),
        (lambda server: server.token(aud="https://other.example"), "aud"),
        (lambda server: server.token(aud=f"{PUBLIC}/cds-services/trials-patient-view"), "aud"),
        (lambda server: server.token(without="aud"), "aud"),
        (lambda server: server.token(exp=int(time.time()) - 3600), "expired"),
        (lambda server: server.token(without="exp"), "exp"),
        (lambda server: server.token(exp=10**400), "exp"),
        (lambda server: server.token(exp=float("nan")), "not active"),
        (lambda server: server.token(nbf=int(time.time()) + 3600), "nbf"),
        (lambda server: server.token(iat=int(time.time()) + 3600), "iat"),
        (lambda server: server.token(iss="https://evil.example"), "not active"),
        (lambda server: server.token(padding="x" * 20_000), "too long"),
        (lambda server: "never-heard-of", "not active"),
        (lambda server: server.opaque(active=False), "not active"),
        (lambda server: server.opaque(active="true"), "not active"),
        (lambda server: server.opaque(aud=["https://other.example"]), "aud"),
        (lambda server: server.opaque(exp=int(time.time()) - 3600), "expired"),
        (lambda server: server.opaque(without="exp"), "exp"),
        (lambda server: "two tokens", "one token"),
        (lambda server: 'quo"ted', "one token"),
        (lambda server: "", "one token"),
    ],
    ids=[
        "alg none", "HS256 with the public key", "a stranger's key", "a broken signature", "an unknown kid", "no kid",
        "a foreign jku", "another audience", "a token for a CDS service", "no audience", "expired", "no exp",
        "exp beyond measure", "exp that is no number",
        "valid tomorrow", "issued tomorrow", "a foreign issuer", "oversized", "made up", "inactive", "active in words",
        "introspected: another audience", "introspected: expired", "introspected: no exp", "a blank in it",
        "a quotation mark in it", "empty",
    ],
)  # fmt: skip
async def test_an_attack_is_refused(guarded: Guarded, caplog: pytest.LogCaptureFixture, make: Any, reason: str) -> None:
    client, server = guarded
    token = make(server)
    with caplog.at_level("DEBUG"):
        plain = await client.get(TRIALS, headers=bearer(token))
        fhir = await client.get("/fhir/ResearchStudy", headers=bearer(token))

    assert (plain.status_code, fhir.status_code) == (401, 401)
    assert reason in plain.json()["detail"]
    assert plain.headers["www-authenticate"].startswith('Bearer realm="eligo", error="invalid_token"')
    assert (plain.headers["content-type"], plain.json()["type"]) == (
        "application/problem+json",
        "urn:eligo:problem:token-refused",
    )
    assert (fhir.json()["resourceType"], fhir.json()["issue"][0]["code"]) == ("OperationOutcome", "login")
    assert not token or token not in caplog.text + plain.text + fhir.text + str(plain.headers)


async def test_who_sends_no_token_is_asked_for_one(guarded: Guarded) -> None:
    client, _ = guarded
    for headers in ({}, {"Authorization": "Basic eDp5"}):
        answer = await client.get(TRIALS, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="eligo"')


async def test_a_token_in_the_query_or_sent_twice_does_not_count(guarded: Guarded) -> None:
    client, server = guarded
    token = server.token()
    twice = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]

    assert (await client.get(f"{TRIALS}?access_token={token}")).status_code == 401
    assert (await client.get(TRIALS, headers=twice)).status_code == 401
    assert (await client.get(TRIALS, headers=bearer(token))).status_code == 200


async def test_signed_and_opaque_tokens_are_taken(guarded: Guarded) -> None:
    client, server = guarded
    for token in (server.token(), server.token(aud=["x", f"{PUBLIC}/fhir"]), server.opaque(), server.opaque(aud=PUBLIC),
                  server.opaque(without="aud")):  # fmt: skip
        assert (await client.get(TRIALS, headers=bearer(token))).status_code == 200
    assert set(server.credentials) == {f"Basic {base64.b64encode(b'eligo:geheim').decode()}"}


async def test_everything_but_health_and_discovery_is_closed(guarded: Guarded) -> None:
    client, _ = guarded
    paths = ["/docs", "/redoc", "/openapi.json", "/", "/v2/none", "/cds-services", "/fhir", "/v1/read",
             "/health", "/health/live/", "//health/live", "/fhir/metadata/", "/FHIR/metadata"]  # fmt: skip
    for path in paths:
        for method in ("GET", "POST", "OPTIONS", "HEAD"):
            assert (await client.request(method, path)).status_code == 401, (method, path)
    for path in ("/health/live", "/health/ready", "/fhir/metadata", "/.well-known/smart-configuration",
                 "/fhir/.well-known/smart-configuration"):  # fmt: skip
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        assert "smart" not in path or answer.headers["content-type"] == "application/json"


async def test_discovery_tells_the_truth(guarded: Guarded) -> None:
    client, server = guarded
    told = (await client.get("/fhir/.well-known/smart-configuration", headers={"Origin": "https://any.example"})).json()
    security = (await client.get("/fhir/metadata")).json()["rest"][0]["security"]

    assert (told["token_endpoint"], told["issuer"]) == ("https://login.example/token", server.name)
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert "permission-v2" in told["capabilities"]
    assert "eligo/trials.write" in told["scopes_supported"]
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"


async def test_a_preflight_needs_no_token_and_a_refusal_can_be_read_by_the_page(guarded: Guarded) -> None:
    client, _ = guarded
    origin = {"Origin": "https://ehr.example"}
    ask = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    preflight = await client.options(TRIALS, headers=origin | ask)
    refused = await client.get(TRIALS, headers=origin)

    assert preflight.status_code == 200
    assert refused.headers["access-control-allow-origin"] == "https://ehr.example"


PAGE = {"content": examples.PAGE, "headers": {"Content-Type": "text/plain"}}
BUNDLE = {"json": examples.BUNDLE}
GET, POST, PUT, DELETE = "GET", "POST", "PUT", "DELETE"
CALLS: list[tuple[str, str, dict[str, Any], list[str], list[str]]] = [
    (GET, TRIALS, {}, ["system/ResearchStudy.s", "system/*.rs", "system/ResearchStudy.read", "user/*.cruds"],
     ["system/ResearchStudy.r", "system/Patient.rs", "patient/ResearchStudy.rs", "patient/*.rs",
      "system/ResearchStudy.rs?status=active", "system/ResearchStudy.sr", "ResearchStudy.rs", "eligo/trials.write"]),
    (GET, f"{TRIALS}/NCT00000000", {}, ["system/ResearchStudy.r", "system/*.read", "system/*.*"],
     ["system/ResearchStudy.s", "system/ResearchStudy.write", "system/researchstudy.r", "openid"]),
    (POST, "/v1/read", PAGE, ["system/ResearchStudy.r"], ["openid profile"]),
    (POST, TRIALS, PAGE, ["eligo/trials.write"], ["system/*.cruds", "system/ResearchStudy.cud", "eligo/evaluate",
                                                  "eligo/trials.writer", "ELIGO/trials.write"]),
    (PUT, f"{TRIALS}/NCT00000000/criteria", {"json": {}}, [], ["system/*.cruds"]),
    (DELETE, f"{TRIALS}/NCT00000000", {}, [], ["system/*.cruds", "system/ResearchStudy.d"]),
    (POST, f"{TRIALS}/NCT00000000/evaluate", BUNDLE,
     ["system/ResearchStudy.r system/Patient.r", "system/*.rs", "eligo/evaluate"],
     ["system/ResearchStudy.rs", "system/Patient.rs", "patient/*.rs", "eligo/trials.write"]),
    (POST, "/v1/evaluate", BUNDLE, ["system/ResearchStudy.rs system/Patient.r", "eligo/evaluate"],
     ["system/ResearchStudy.r system/Patient.r"]),
    (GET, "/v1/feedback", {}, ["system/ResearchStudy.s"], ["eligo/evaluate"]),
    (GET, "/fhir/ResearchStudy", {}, ["system/ResearchStudy.s"], ["system/Group.s"]),
    (GET, "/fhir/ResearchStudy?_include=ResearchStudy:enrollment", {}, ["system/ResearchStudy.s system/Group.r"],
     ["system/ResearchStudy.s"]),
    (POST, "/fhir/ResearchStudy/_search", {"data": {"_id": "NCT00000000"}}, ["system/ResearchStudy.s"],
     ["system/Group.s", "system/ResearchStudy.cru"]),
    (GET, "/fhir/ValueSet", {}, ["system/ValueSet.rs"], ["system/ResearchStudy.rs"]),
    (GET, "/fhir/ResearchStudy/NCT00000000/$package", {}, ["system/*.r"], ["system/ResearchStudy.r"]),
    (PUT, "/fhir/ConceptMap/x", {"json": {}}, [], ["system/ConceptMap.cruds"]),
    (DELETE, "/fhir/ConceptMap/x", {}, [], ["system/ConceptMap.cruds"]),
    (PUT, "/fhir/none/x", {"json": {}}, [], ["system/*.cruds"]),
    (POST, "/fhir/ResearchStudy/$import", PAGE, ["eligo/trials.write"], ["system/*.cruds"]),
    (POST, "/fhir/ResearchStudy/NCT00000000/$check-eligibility", BUNDLE, ["eligo/evaluate"], ["system/Patient.r"]),
    (GET, "/cds-services", {}, ["system/*.rs"], ["eligo/trials.write"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body", "scope"),
    [(*call[:3], scope) for call in CALLS for scope in call[3]],
)
async def test_a_scope_that_covers_a_call_opens_it(guarded: Guarded, method, path, body, scope) -> None:
    client, server = guarded
    headers = {**body.get("headers", {}), **bearer(server.token(scope))}
    answer = await client.request(method, path, **{**body, "headers": headers})

    assert answer.is_success, answer.text


@pytest.mark.parametrize(
    ("method", "path", "body", "scope"),
    [(*call[:3], scope) for call in CALLS for scope in ["", *call[4]]],
)
async def test_a_scope_that_does_not_is_told_what_would(guarded: Guarded, method, path, body, scope) -> None:
    client, server = guarded
    headers = {**body.get("headers", {}), **bearer(server.token(scope))}
    granted = scope
    for _ in range(2):  # an include is told after the type that is searched
        answer = await client.request(method, path, **{**body, "headers": headers})
        assert answer.status_code == 403, answer.text
        told = answer.headers["www-authenticate"]
        assert told.startswith('Bearer realm="eligo", error="insufficient_scope", scope="')
        granted += " " + told.partition('scope="')[2].rstrip('"')
        headers |= bearer(server.token(granted))
        if (await client.request(method, path, **{**body, "headers": headers})).status_code != 403:
            return
    raise AssertionError("what is told to be needed is not enough")


async def test_a_call_that_the_table_lacks_is_refused_to_everybody(guarded: Guarded, monkeypatch) -> None:
    monkeypatch.delitem(__import__("app.api.access", fromlist=["NEEDS"]).NEEDS, "list_trials")
    client, server = guarded
    answer = await client.get(TRIALS, headers=bearer(server.token(f"{ALL} system/*.cruds")))

    assert answer.status_code == 403
    assert "No token grants this call" in answer.json()["detail"]


async def test_scopes_may_come_as_a_list_or_under_the_other_name(guarded: Guarded) -> None:
    client, server = guarded
    good: list[dict[str, Any]] = [{"scope": ["system/ResearchStudy.s"]}, {"scp": ["system/*.s"]}, {"scp": "system/*.s"}]
    bad: list[dict[str, Any]] = [{}, {"scope": None}, {"scope": 3}, {"scope": [["system/*.s"]]}]
    for claims in good:
        assert (await client.get(TRIALS, headers=bearer(server.token(**{"scope": None, **claims})))).status_code == 200
    for claims in bad:
        assert (await client.get(TRIALS, headers=bearer(server.token(**{"scope": None, **claims})))).status_code == 403


async def test_who_corrects_is_the_subject_of_the_token(guarded: Guarded) -> None:
    client, server = guarded
    url = f"{TRIALS}/NCT00000000/criteria"
    cases: list[tuple[dict[str, Any], str]] = [({"sub": "dr-wolff"}, "dr-wolff"), ({"without": "sub"}, "screening")]
    for claims, expected in cases:
        note = {**examples.CORRECTION["criteria"][0], "note": expected}
        answer = await client.put(url, json={"criteria": [note]}, headers=bearer(server.token(**claims)))
        assert answer.status_code == 200, answer.text
        assert expected in json.dumps(answer.json()["curation"] if "curation" in answer.json() else answer.json())


# --- keys and servers that fail -------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest_asyncio.fixture(loop_scope="module")
async def verifying() -> AsyncIterator[tuple[Verifier, Issuer, Clock]]:
    clock = Clock()
    async with httpx.AsyncClient() as client:
        with issuer() as server:
            yield Verifier({server.name: f"{server.address}/jwks"}, KeySets(client, clock)), server, clock


async def test_the_last_good_keys_serve_for_a_day_and_no_longer(verifying) -> None:
    verifier, server, clock = verifying
    await verifier.verify(server.token(), (PUBLIC,), time.time())
    server.is_down = True
    for hours in (1, 12, 23):
        clock.now = 1000 + hours * 3600
        assert await verifier.verify(server.token(), (PUBLIC,), time.time())
    clock.now = 1000 + 25 * 3600
    with pytest.raises(KeysUnavailable):
        await verifier.verify(server.token(), (PUBLIC,), time.time())
    server.is_down = False
    clock.now += 11
    assert await verifier.verify(server.token(), (PUBLIC,), time.time())


async def test_an_unknown_key_is_asked_for_once_in_a_while_and_is_nobodys_fault_in_an_outage(verifying) -> None:
    verifier, server, clock = verifying
    new = RSAKey.generate_key(2048, {"kid": "second"})
    await verifier.verify(server.token(), (PUBLIC,), time.time())
    for _ in range(5):
        with pytest.raises(TokenRefused):
            await verifier.verify(server.token(key=new), (PUBLIC,), time.time())
    assert server.asked == ["/jwks"]
    server.is_down = True
    clock.now += 11
    with pytest.raises(KeysUnavailable):  # it may be a new key
        await verifier.verify(server.token(key=new), (PUBLIC,), time.time())
    assert await verifier.verify(server.token(), (PUBLIC,), time.time())
    server.is_down = False
    server.keys[:] = [new]
    clock.now += 11
    assert await verifier.verify(server.token(key=new), (PUBLIC,), time.time())
    with pytest.raises(TokenRefused):  # and the old one is gone
        await verifier.verify(server.token(key=STRANGER), (PUBLIC,), time.time())
    assert len(server.asked) == 3


async def test_who_has_a_known_key_does_not_wait_for_a_slow_address(verifying) -> None:
    verifier, server, clock = verifying
    await verifier.verify(server.token(), (PUBLIC,), time.time())
    clock.now += 301
    server.delay_s = 1.0
    first = asyncio.create_task(verifier.verify(server.token(), (PUBLIC,), time.time()))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    await verifier.verify(server.token(), (PUBLIC,), time.time())

    assert time.monotonic() - began < 0.5
    assert await first


@pytest_asyncio.fixture(loop_scope="module")
async def introspecting() -> AsyncIterator[tuple[Introspection, Issuer, Clock]]:
    clock = Clock()
    async with httpx.AsyncClient() as client:
        with issuer() as server:
            yield Introspection(f"{server.address}/introspect", ("me", "x"), client, clock, keep_s=30), server, clock


async def test_an_answer_is_remembered_for_its_time_and_not_beyond_the_tokens_end(introspecting) -> None:
    introspection, server, clock = introspecting
    now = time.time()
    long, short = server.opaque(), server.opaque(exp=now + 5)
    for token, seconds, asked in ((long, 0, 1), (long, 29, 1), (long, 31, 2), (short, 31, 3), (short, 35, 3),
                                  (short, 37, 4)):  # fmt: skip
        clock.now = 1000 + seconds
        await introspection.claims(token, now)
        assert len(server.asked) == asked, seconds
    server.tokens[long]["active"] = False
    clock.now += 31
    with pytest.raises(TokenRefused):
        await introspection.claims(long, now)


async def test_many_calls_with_one_token_ask_once(introspecting) -> None:
    introspection, server, _ = introspecting
    server.delay_s = 0.2
    token = server.opaque()
    answers = await asyncio.gather(*(introspection.claims(token, time.time()) for _ in range(50)))

    assert len(server.asked) == 1
    assert {each["sub"] for each in answers} == {"coordinator-7"}


async def test_what_is_remembered_is_bounded_and_is_no_token(introspecting, monkeypatch) -> None:
    monkeypatch.setattr("app.clients.introspection._MOST_KEPT", 20)
    introspection, server, _ = introspecting
    tokens = [server.opaque() for _ in range(50)]
    await asyncio.gather(*(introspection.claims(each, time.time()) for each in tokens))

    assert len(introspection._kept) == 20
    assert not introspection._asking
    assert not any(each in repr(vars(introspection)) for each in tokens)


async def test_a_server_that_is_down_is_a_503_for_who_is_not_remembered(introspecting) -> None:
    introspection, server, clock = introspecting
    known = server.opaque()
    await introspection.claims(known, time.time())
    server.is_down = True

    assert await introspection.claims(known, time.time())
    for _ in range(2):
        with pytest.raises(IntrospectionUnavailable):
            await introspection.claims(server.opaque(), time.time())
    clock.now += 31
    with pytest.raises(IntrospectionUnavailable):
        await introspection.claims(known, time.time())
    server.is_down = False
    assert await introspection.claims(known, time.time())


async def test_the_503_is_told_with_when_to_try_again() -> None:
    class Down:
        async def claims(self, token: str, now: float) -> dict[str, Any]:
            raise IntrospectionUnavailable

    layer = Authenticate(lambda *_: None, Down(), cds_tokens=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(layer), base_url="http://x") as client:
        answer = await client.get(TRIALS, headers=bearer("x"))

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_a_bad_signature_is_not_asked_about_elsewhere(verifying, introspecting) -> None:
    verifier, server, _ = verifying
    introspection, other, _ = introspecting
    token = server.token(key=STRANGER)
    other.tokens[token] = {"active": True, **other.claims(ALL)}

    with pytest.raises(TokenRefused, match="signature"):
        await Authority(verifier, introspection, (PUBLIC,)).claims(token, time.time())
    assert other.asked == []


async def test_every_call_is_in_the_table_and_each_name_is_one_call(guarded: Guarded) -> None:
    from fastapi.routing import APIRoute

    from app.api.access import NEEDS, OPEN

    client, _ = guarded
    app = client._transport.app  # type: ignore[attr-defined]
    routers = [getattr(each, "original_router", None) for each in app.router.routes]
    routes = [each for router in routers if router is not None for each in router.routes if isinstance(each, APIRoute)]
    names = {each.endpoint: each.endpoint.__name__ for each in routes}

    assert len(routes) > 25
    assert len(set(names.values())) == len(names)
    assert set(names.values()) == set(NEEDS) | OPEN


async def test_the_description_says_which_scopes_each_call_needs(guarded: Guarded) -> None:
    client, server = guarded
    made = (await client.get("/openapi.json", headers=bearer(server.token("")))).json()
    flow = made["components"]["securitySchemes"]["accessToken"]["flows"]["clientCredentials"]

    assert flow["tokenUrl"] == "https://login.example/token"
    for path, calls in made["paths"].items():
        for call in calls.values():
            assert "security" in call
            assert bool(call["security"]) is not path.startswith("/health"), path
            assert {"401", "403"} <= set(call["responses"]) or not call["security"]
            for way in call["security"]:
                assert set(way.get("accessToken", [])) <= set(flow["scopes"])
    assert made["paths"]["/v1/trials"]["post"]["security"] == [{"accessToken": ["eligo/trials.write"]}]
    assert made["paths"]["/cds-services"]["get"]["security"][1] == {"cdsClient": []}


async def test_cds_clients_keep_their_own_tokens_where_their_issuers_are_named(tmp_path) -> None:
    with issuer() as server:
        settings = Settings(
            database_url=f"sqlite:///{tmp_path}/eligo.db",
            judge_processes=1,
            cds_issuers={"https://ehr.example": f"{server.address}/jwks"},
            cds_private_addresses=True,
            **server.by_keys,
        )
        app = create_app(settings)
        async with running(app) as client:
            access = await client.get("/cds-services", headers=bearer(server.token()))
            signed = server.token(iss="https://ehr.example", aud=f"{PUBLIC}/cds-services")
            own = await client.get("/cds-services", headers=bearer(signed))
            elsewhere = await client.get(TRIALS, headers=bearer(signed))

    assert (access.status_code, own.status_code, elsewhere.status_code) == (403, 200, 401)


@pytest.mark.parametrize(
    ("server", "expected"),
    [(("127.0.0.1", 8000), 200), (("::1", 8000), 200), (("/run/eligo.sock", None), 200), (("10.0.0.7", 8000), 403),
     (("0.0.0.0", 8000), 403), (("2001:db8::1", 8000), 403)],
)  # fmt: skip
async def test_without_authentication_nobody_is_answered_who_comes_by_another_address(tmp_path, server, expected):
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path}/eligo.db", judge_processes=1))
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/health/live", "headers": [(b"host", b"127.0.0.1")],
             "server": server, "client": ("127.0.0.1", 1), "query_string": b"", "scheme": "http"}  # fmt: skip
    await app(scope, receive, send)

    assert sent[0]["status"] == expected
    assert expected == 200 or b"ELIGO_AUTH_ISSUERS" in sent[1]["body"]
