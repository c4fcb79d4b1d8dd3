"""What a record says is nowhere but in the answers: canaries go through every call, and nothing keeps them."""

from __future__ import annotations

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi.routing import APIRoute
from fhir.resources.R4B.auditevent import AuditEvent

from app.api import examples, fhir
from app.api.audit import audit_event
from app.clients.audit import Endpoint, Lines, Trail
from tests.issuer import issuer
from tests.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

NAME, NUMBER, DAY, IDENT = "Xanthippe-Kanari", "4711081599", "1931-07-09", "canary-id-77"
VALUE = "83.1415926"
CANARIES = (NAME, NUMBER, DAY, IDENT, VALUE)
TRIAL = "NCT00000000"


def record() -> dict[str, Any]:
    patient = {
        "resourceType": "Patient",
        "id": IDENT,
        "name": [{"family": NAME}],
        "birthDate": DAY,
        "gender": "female",
        "identifier": [{"system": "urn:mrn", "value": NUMBER}],
    }
    value = {
        "resourceType": "Observation",
        "id": f"{IDENT}-hb",
        "status": "final",
        "subject": {"reference": f"Patient/{IDENT}"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}], "text": NAME},
        "effectiveDateTime": DAY,
        "valueQuantity": {"value": float(VALUE), "unit": "g/L", "system": "http://unitsofmeasure.org", "code": "g/L"},
    }
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}, {"resource": value}]}


def bodies() -> list[bytes]:
    """Records as they should be, wrapped as every call wants them, and broken in every way."""
    good = record()
    stranger = {"resource": {**good["entry"][0]["resource"], "id": f"{IDENT}-2"}}
    two = {**good, "entry": [*good["entry"], stranger]}
    broken = {**good, "entry": [*good["entry"], {"resource": {"resourceType": NAME, "id": 7, DAY: NUMBER}}]}
    call = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/1", "patientId": IDENT},
        "prefetch": {"patient": good["entry"][0]["resource"], NAME: good},
    }
    feedback = {
        "feedback": [
            {"card": NAME, "outcome": NUMBER, "outcomeTimestamp": DAY, "overrideReason": {"userComment": NAME}}
        ]
    }
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "data", "resource": good}]}
    whole = [good, two, broken, call, {**call, "prefetch": NAME}, feedback, parameters, good["entry"][0]["resource"]]
    whole += [{"trial": examples.PAGE, "bundle": good}, {"trial": {"criteria": [{"kind": NAME}]}, "bundle": good}]
    sent = [json.dumps(each).encode() for each in whole]
    return [*sent, sent[0][:-40], sent[0] + NAME.encode(), f'{{"{NAME}": {NUMBER}{NAME}'.encode(), NAME.encode()]


def calls(described: dict[str, Any]) -> list[tuple[str, str]]:
    """Every call of the API description, and every one under /fhir."""
    found = [(method.upper(), path) for path, methods in described["paths"].items() for method in methods]
    routes = [each for each in fhir.router.routes if isinstance(each, APIRoute)]
    return found + [(method, each.path) for each in routes for method in each.methods or ()]


def test_no_canary_is_kept_anywhere(tmp_path: Path) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    audit = tmp_path / "audit.ndjson"
    with issuer() as login:
        token = login.token(sub="coordinator-7")
        environment = {"TMPDIR": str(scratch), "ELIGO_AUDIT_SINK": "file", "ELIGO_AUDIT_FILE": str(audit)}
        environment |= login.environment(login.by_keys) | {"ELIGO_LOG_LEVEL": "debug"}
        with serving(tmp_path, **environment) as served, httpx.Client(base_url=served.address, timeout=120) as http:
            headers = {"Authorization": f"Bearer {token}"}
            made = http.post("/v1/trials", content=examples.PAGE, headers={**headers, "Content-Type": "text/plain"})
            assert made.status_code == 201
            described = http.get("/openapi.json", headers=headers).json()
            told = {}
            for method, path in calls(described):
                told[method, path] = _send(http, method, path, headers)
            metrics = http.get("/metrics", headers=headers).text
        log = served.log.read_bytes()
    kept = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    secrets = [*CANARIES, token, token.rpartition(".")[2]]

    assert len(told) >= 28
    assert any(key[1].endswith("/evaluate") and 200 in each for key, each in told.items())
    assert any(each.name.endswith(".db") for each in kept)
    assert b"evaluate" in log
    assert audit.read_bytes().count(b"\n") > 200
    for secret in secrets:
        for file, content in kept.items():
            assert secret.encode() not in content, (secret, file)
        assert secret not in metrics
    for line in audit.read_text().splitlines():
        AuditEvent.model_validate_json(line)


def _send(http: httpx.Client, method: str, path: str, headers: dict[str, str]) -> set[int]:
    """A call with everything in it that somebody could put there. Its refusals name nothing of a patient."""
    at = re.sub(r"\{(trial_id|ident)\}", TRIAL, path).replace("{resource_type}", "ResearchStudy")
    at = at.replace("{service_id}", "trials-patient-view").replace("{version_id}", "1")
    if method == "DELETE":
        at = at.replace(TRIAL, "NCT99999999")  # or the others would have nothing to ask for
    queries = ["", f"?patient={IDENT}", f"?patient={NAME}", f"?asOf={NAME}&maxAge={NUMBER}"]
    statuses = set()
    for body in bodies() if method in {"POST", "PUT"} else [b""]:
        for query in queries if body in (bodies()[0], b"") else queries[:1]:
            for kind in ("application/json", "application/fhir+json"):
                sent = {**headers, "Content-Type": kind, "X-Request-ID": NAME, "User-Agent": NUMBER}
                answer = http.request(method, f"{at}{query}", content=body, headers=sent)
                statuses.add(answer.status_code)
                assert answer.status_code < 500, (method, path, answer.text)
                if answer.status_code >= 400:
                    for secret in (*CANARIES, headers["Authorization"][7:]):
                        assert secret not in answer.text, (method, path, secret, answer.text)
    http.request(method, at.replace(TRIAL, IDENT), headers={**headers, "Authorization": f"Bearer {NAME}"})
    http.request(method, at.replace(TRIAL, IDENT), headers=headers)
    return statuses


# --- the trail itself


def scope(**more: Any) -> dict[str, Any]:
    return {"method": "POST", "client": ("10.0.0.7", 1), "path_params": {"trial_id": TRIAL}, **more}


@pytest.mark.parametrize(
    ("call", "status", "action", "outcome", "named"),
    [
        ("evaluate", 200, "E", "0", f"ResearchStudy/{TRIAL}"),
        ("evaluate", 404, "E", "4", ""),
        ("get_trial", 503, "R", "8", ""),
        ("register_trial", 201, "C", "0", f"ResearchStudy/{TRIAL}"),
        ("", 401, "R", "4", ""),
    ],
)
def test_an_event_is_valid_and_says_who_which_trial_and_what_came_of_it(call, status, action, outcome, named):
    event = audit_event(scope(), call, status, "eligible" if call == "evaluate" else "", "https://trials.example.org")
    valid = AuditEvent.model_validate(event)

    assert (valid.action, valid.outcome) == (action, outcome)
    assert event["outcomeDesc"] == str(status)
    assert event.get("entity", [{}])[0].get("what", {}).get("reference", "") == named
    told = event.get("entity", [{}])[0].get("detail", [])
    assert told == ([{"type": "overall", "valueString": "eligible"}] if (call, status) == ("evaluate", 200) else [])


def test_lines_are_appended(tmp_path):
    path = tmp_path / "audit.ndjson"
    for number in range(2):
        trail = Trail(lambda: Lines(str(path)), 10)
        trail.note({"number": number})
        trail.close()
    assert path.read_text() == '{"number":0}\n{"number":1}\n'


def test_a_sink_that_stands_still_holds_up_nobody_and_what_is_lost_is_counted(caplog):
    free = threading.Event()

    class Stuck:
        def deliver(self, event: bytes) -> None:
            free.wait(20)

        def close(self) -> None:
            pass

    trail = Trail(Stuck, 5)
    began = time.monotonic()
    for _ in range(100):
        trail.note({"resourceType": "AuditEvent"})
    assert time.monotonic() - began < 1
    assert trail.dropped >= 94
    assert "audit events are lost" in caplog.text
    free.set()
    trail.close()


def test_a_sink_that_cannot_be_opened_loses_events_and_says_so(tmp_path, caplog):
    trail = Trail(lambda: Lines(str(tmp_path / "none" / "audit.ndjson")), 5)
    trail.note({"resourceType": "AuditEvent"})
    trail.close()

    assert trail.dropped == 1
    assert "FileNotFoundError" in caplog.text


def test_an_endpoint_is_asked_again_and_gets_each_event():
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Authorization"] == "Bearer geheim"
            got.append(body)
            self.send_response(503 if len(got) == 1 else 201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    trail = Trail(lambda: Endpoint(f"http://127.0.0.1:{server.server_address[1]}/AuditEvent", "geheim"), 10)
    trail.note({"number": 1})
    time.sleep(1.2)
    trail.note({"number": 2})
    trail.close()
    server.shutdown()
    server.server_close()

    assert got == [b'{"number":1}', b'{"number":1}', b'{"number":2}']
    assert trail.dropped == 0
