"""nginx and Envoy with the configurations of `deploy/gateway`, before the service as it runs."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from app.api import examples
from tests.deploy.gateways import AUDIENCE, ISSUER, Echo, Gateway, answering, gateway, keys_of, make_tls
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.deploy.gateways import Tls

NAMES = ("nginx", "envoy")
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
KEY = ECKey.generate_key("P-384", {"kid": "site-1", "alg": "ES384", "use": "sig"})
STRANGER = ECKey.generate_key("P-384", {"kid": "site-1", "alg": "ES384", "use": "sig"})
ALL = "system/*.rs eligo/trials.write eligo/evaluate"


def token(key: ECKey = KEY, **changed: Any) -> dict[str, str]:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "screening",
        "client_id": "screening",
        "iat": now,
        "exp": now + 300,
        "scope": ALL,
        **changed,
    }
    return {
        "Authorization": f"Bearer {jwt.encode({'alg': 'ES384', 'kid': 'site-1'}, claims, key, algorithms=['ES384'])}"
    }


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return make_tls(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def login(tls) -> Iterator[int]:
    with answering(keys_of({"keys": [KEY.as_dict(private=False)]}), tls) as port:
        yield port


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    keys = {"keys": [KEY.as_dict(private=False)]}
    with answering(keys_of(keys)) as port:
        environment = {
            "ELIGO_AUTH_ISSUERS": json.dumps({ISSUER: f"http://127.0.0.1:{port}/jwks.json"}),
            "ELIGO_AUTH_AUDIENCE": AUDIENCE,
        }
        with serving(tmp_path_factory.mktemp("service"), **environment) as served:
            yield int(served.address.rpartition(":")[2])


@pytest.fixture(scope="module")
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture(scope="module", params=NAMES)
def edge(request: pytest.FixtureRequest, tmp_path_factory, tls, service, login) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway") / request.param
    with gateway(request.param, folder, tls, service, login) as running:
        until = time.monotonic() + 20
        with calling(tls) as client:  # Envoy asks the service about its health first, and fetches the keys
            while client.get(f"{running.address}/v1/trials", headers=token()).status_code != 200:
                assert time.monotonic() < until, running.log.read_text()
                time.sleep(0.1)
        time.sleep(1)  # what was asked meanwhile is forgotten by the limit of calls
        yield running


def calling(tls: Tls, source: str = "127.0.0.1", **more: Any) -> httpx.Client:
    """A client that trusts the test's own certificate alone, and calls from an address of loopback."""
    import ssl

    trusted = ssl.create_default_context(cafile=str(tls.certificate))
    return httpx.Client(transport=httpx.HTTPTransport(verify=trusted, local_address=source), timeout=60, **more)


@pytest.fixture
def client(tls) -> Iterator[httpx.Client]:
    with calling(tls) as opened:
        yield opened


def test_a_record_is_judged_behind_the_prefix_and_links_lead_back(edge, client):
    registered = client.post(f"{edge.address}/v1/trials", content=examples.PAGE, headers={**token(), **TEXT})
    location = registered.headers["location"]
    report = client.post(f"{edge.address}/v1/trials/NCT00000000/evaluate", json=examples.BUNDLE, headers=token())
    searched = client.get(f"{edge.address}/fhir/ResearchStudy", headers=token()).json()
    read = client.get(searched["entry"][0]["fullUrl"], headers=token())
    moved = client.get(f"{edge.address}/v1/trials/", headers=token())

    assert registered.status_code in {200, 201}, registered.text
    assert location == "/eligo/v1/trials/NCT00000000"
    assert client.get(str(registered.url.join(location)), headers=token()).json()["id"] == "NCT00000000"
    assert report.status_code == 200, report.text
    assert report.json()["criteria"][0]["status"] == "pass"
    assert searched["link"][0]["url"].startswith(f"{edge.address}/fhir/ResearchStudy?")
    assert read.json()["resourceType"] == "ResearchStudy"
    assert moved.headers["location"] == f"{edge.address}/v1/trials"


def test_health_is_open_and_nothing_else_is(edge, client):
    assert client.get(f"{edge.address}/health/ready").json()["status"] == "ready"
    assert client.get(f"{edge.address}/fhir/metadata").json()["resourceType"] == "CapabilityStatement"

    for call in ("/v1/trials", "/fhir/ResearchStudy", "/docs", "/openapi.json", "/v1/../v1/trials"):
        refused = client.get(f"{edge.address}{call}")
        assert refused.status_code == 401, call
        assert refused.headers["content-type"].startswith("application/problem+json"), call
        assert refused.json()["status"] == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "Bearer", "Bearer not.a.token, Bearer other", "bearer"])
def test_what_is_no_token_is_refused_at_the_gateway(edge, client, header):
    refused = client.get(f"{edge.address}/v1/trials", headers={"Authorization": header})

    assert refused.status_code == 401
    assert refused.json()["status"] == 401


@pytest.mark.parametrize(
    "bad",
    [
        token(STRANGER),
        token(exp=int(time.time()) - 600),
        token(aud="https://other.example"),
        token(iss="https://stranger.example"),
    ],
    ids=["signed by another", "over", "for another", "of another"],
)
def test_a_token_that_does_not_hold_lets_nobody_in(edge, client, bad):
    refused = client.get(f"{edge.address}/v1/trials", headers=bad)

    assert refused.status_code in {401, 403}, refused.text  # 403: Envoy, of a token that is for another
    assert refused.headers["content-type"].startswith("application/problem+json")


def test_a_token_grants_what_its_scopes_say(edge, client):
    reading = token(scope="system/ResearchStudy.rs")

    assert client.get(f"{edge.address}/v1/trials", headers=reading).status_code == 200
    refused = client.post(f"{edge.address}/v1/trials", content=examples.PAGE, headers={**reading, **TEXT})
    assert refused.status_code == 403
    assert "eligo/trials.write" in refused.text


def test_a_body_over_the_limit_is_refused(edge, client):
    for content in (b"x" * (20 * 1024 * 1024 + 1), iter([b"x" * 1024 * 1024] * 21)):
        refused = client.post(f"{edge.address}/v1/read", content=content, headers={**token(), **TEXT})
        assert refused.status_code == 413
        assert refused.json()["status"] == 413


def test_calls_without_encryption_are_sent_to_the_encrypted_address(edge, client):
    moved = client.get(f"{edge.plain}/v1/trials", headers=token())

    assert moved.status_code == 308
    assert moved.headers["location"].startswith("https://127.0.0.1")


def test_strict_transport_security_is_told(edge, client):
    assert client.get(f"{edge.address}/health/live").headers["strict-transport-security"] == "max-age=31536000"


def test_metrics_and_other_paths_are_not_served(edge, client):
    root = edge.address.removesuffix("/eligo")
    for address in (f"{edge.address}/metrics", f"{root}/metrics", f"{root}/v1/trials", f"{root}/eligology"):
        assert client.get(address, headers=token()).status_code == 404, address


def test_one_caller_who_calls_too_often_is_held_back_and_others_are_not(edge, tls):
    with calling(tls, "127.0.0.2") as busy, calling(tls, "127.0.0.3") as other, ThreadPoolExecutor(16) as pool:

        def call(_: int) -> httpx.Response:
            return busy.get(f"{edge.address}/health/live")

        answers = list(pool.map(call, range(400)))
        meanwhile = other.get(f"{edge.address}/health/live")

    counted = Counter(each.status_code for each in answers)
    assert set(counted) == {200, 429}
    assert counted[429] > 0
    assert counted[200] >= 100
    refused = next(each for each in answers if each.status_code == 429)
    assert refused.headers["retry-after"] == "2"
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert meanwhile.status_code == 200


@pytest.mark.parametrize("name", NAMES)
def test_what_a_caller_forges_does_not_reach_the_service(name, tmp_path, tls, login, client):
    forged = {
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "for=10.0.0.1;host=evil.example",
    }
    with answering(Echo) as service, gateway(name, tmp_path / name, tls, service, login) as edge:
        time.sleep(0.3)
        until = time.monotonic() + 20
        while (told := client.get(f"{edge.address}/v1/trials?q=x", headers={**token(), **forged})).status_code != 200:
            assert time.monotonic() < until, edge.log.read_text()
            time.sleep(0.1)
        seen = told.json()

    host = edge.address.removeprefix("https://").removesuffix("/eligo")
    headers = seen["headers"]
    assert seen["path"] == "/v1/trials?q=x"
    callers = headers["x-forwarded-for"].replace(" ", "").split(",")
    assert callers[-1] != "10.0.0.1"  # Envoy calls a caller on loopback by an address of the machine
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-forwarded-prefix"] == "/eligo"
    assert {headers["host"], headers.get("x-forwarded-host", host)} == {host}
    assert "forwarded" not in headers
    assert headers["authorization"].startswith("Bearer ")
    assert headers["x-request-id"]


@pytest.mark.parametrize("name", NAMES)
def test_a_service_that_is_away_is_told_with_when_to_try_again(name, tmp_path, tls, login, client):
    with answering(Echo) as gone:
        pass
    with gateway(name, tmp_path / name, tls, gone, login) as edge:
        until = time.monotonic() + 20
        while (told := client.get(f"{edge.address}/v1/trials", headers=token())).status_code == 401:
            assert time.monotonic() < until, edge.log.read_text()
            time.sleep(0.1)

    assert told.status_code == 503
    assert told.headers["retry-after"] == "5"
    assert told.json()["status"] == 503


def test_no_record_is_written_to_a_file_and_no_query_to_the_log(edge, client):
    large = {**examples.BUNDLE, "entry": examples.BUNDLE["entry"] * 20_000}
    answer = client.post(f"{edge.address}/v1/evaluate?patient=Patient/p1", json=large, headers=token())
    time.sleep(0.5)
    log = edge.log.read_text()

    assert answer.status_code in {200, 400}
    assert "buffered to a temporary file" not in log
    assert "/v1/evaluate" in log
    assert "patient=" not in log
    assert token()["Authorization"][7:40] not in log
    written = [each for each in edge.folder.rglob("*") if each.is_file() and each.parent != edge.folder]
    assert written == []
