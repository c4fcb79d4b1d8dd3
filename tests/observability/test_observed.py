"""What operators see of a running service: metrics, logs and traces; and what they never see."""

from __future__ import annotations

import gzip
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.api import examples
from app.observability.tracing import continued
from tests.serving import Served, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPLOY = Path(__file__).parents[2] / "deploy" / "observability"
FHIR = {"Content-Type": "application/fhir+json"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
CANARY = "Xanthippe-4711"


class Collector(BaseHTTPRequestHandler):
    """Takes what is sent to an OpenTelemetry collector."""

    taken: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def collector() -> Iterator[tuple[str, list[bytes]]]:
    taken: list[bytes] = []
    server = HTTPServer(("127.0.0.1", 0), type("Own", (Collector,), {"taken": taken}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def seen(
    collector: tuple[str, list[bytes]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, list[str], list[bytes]]:
    """The metrics, the log and the traces of a service that has done a bit of everything."""
    folder = tmp_path_factory.mktemp("observed")
    endpoint, taken = collector
    with serving(folder, ELIGO_LOG_FORMAT="json", ELIGO_LOG_LEVEL="debug", ELIGO_OTEL_ENDPOINT=endpoint) as served:
        use(served)
        metrics = httpx.get(f"{served.address}/metrics").text
    return metrics, served.log.read_text().splitlines(), taken


def use(served: Served) -> None:
    address = served.address
    assert httpx.post(f"{address}/v1/trials", content=examples.PAGE, headers={"Content-Type": "text/plain"}).is_success
    trial = httpx.get(f"{address}/v1/trials").json()["trials"][0]["id"]
    bundle = json.loads(
        json.dumps(examples.BUNDLE).replace('"p1"', f'"{CANARY}"').replace("Patient/p1", f"Patient/{CANARY}")
    )
    answer = httpx.post(
        f"{address}/v1/trials/{trial}/evaluate?asOf=2026-11-22&patient=Patient/{CANARY}",
        content=json.dumps(bundle),
        headers={**FHIR, "traceparent": PARENT, "X-Request-ID": "0a" * 16},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["traceparent"].split("-")[1] == TRACE
    assert answer.headers["traceparent"] != PARENT
    assert answer.headers["X-Request-ID"] == "0a" * 16
    own = httpx.get(f"{address}/v1/trials", headers={"X-Request-ID": CANARY})
    assert own.headers["X-Request-ID"] != CANARY, "who is it? not to be repeated"
    assert httpx.get(f"{address}/Patient/{CANARY}?name={CANARY}").status_code == 404
    assert httpx.post(f"{address}/v1/evaluate?asOf={CANARY}", content="{}", headers=FHIR).status_code == 400
    assert httpx.post(f"{address}/v1/evaluate?asOf=2026-11-22", content=json.dumps(bundle), headers=FHIR).is_success
    passed_on = httpx.get(f"{address}/metrics", headers={"X-Forwarded-For": "203.0.113.9"})
    assert passed_on.status_code == 403, "without a token metrics are for this machine alone"
    assert "ELIGO_METRICS_TOKEN" in passed_on.text
    assert httpx.request("PROPFIND", f"{address}/v1/trials").status_code == 405


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


def test_requests_are_counted_by_the_template_of_their_route(seen):
    found = samples(seen[0])
    evaluated = (("method", "POST"), ("route", "/v1/trials/{trial_id}/evaluate"))

    assert found["eligo_http_requests_total", (*evaluated, ("status", "200"))] == 1
    assert found["eligo_http_request_duration_seconds_count", evaluated] == 1
    assert found["eligo_http_requests_total", (("method", "GET"), ("route", "unmatched"), ("status", "404"))] == 1
    assert found["eligo_http_requests_in_progress", ()] == 1, "the one that asks"
    assert any(name == "eligo_http_requests_total" and dict(of)["method"] == "other" for name, of in found)


def test_verdicts_jobs_and_the_database_are_counted(seen):
    found = samples(seen[0])
    verdicts = {of: value for (name, of), value in found.items() if name == "eligo_verdicts_total"}
    unknown = sum(value for of, value in verdicts.items() if dict(of)["status"] == "unknown")
    lacking = sum(value for (name, _), value in found.items() if name == "eligo_unknown_reasons_total")

    assert sum(verdicts.values()) > 0
    assert lacking >= unknown > 0
    assert sum(value for (name, _), value in found.items() if name == "eligo_trials_judged_total") == 2
    assert found["eligo_job_duration_seconds_count", (("job", "judge"),)] == 1
    assert found["eligo_trial_cache_requests_total", (("result", "miss"),)] >= 1
    assert found["eligo_database_up", ()] == 1
    assert found["eligo_worker_restarts_total", (("reason", "lost"),)] == 0


def test_the_log_is_json_with_the_ids_of_the_request_and_without_its_words(seen):
    lines = [json.loads(each) for each in seen[1]]
    (judged,) = [each for each in lines if each.get("route") == "/v1/trials/{trial_id}/evaluate"]

    assert (judged["logger"], judged["status"], judged["request_id"]) == ("eligo.access", 200, "0a" * 16)
    assert judged["trace_id"] == TRACE
    assert all({"time", "level", "logger", "message"} <= each.keys() for each in lines)


def test_spans_reach_the_collector_in_the_callers_trace(seen):
    sent = b"".join(seen[2])

    assert bytes.fromhex(TRACE) in sent
    assert b"POST /v1/trials/{trial_id}/evaluate" in sent
    assert b"job judge" in sent
    assert b"database transaction" in sent


def test_nothing_of_a_patient_is_in_metrics_logs_or_traces(seen):
    metrics, log, traces = seen

    for written in (metrics, "\n".join(log), b"".join(traces).decode("latin-1")):
        assert CANARY.casefold() not in written.casefold()
        assert "1960-05-01" not in written


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:eligo|process)_\w+", re.sub(r'"[^"]*"', "", expression)))


def test_dashboard_and_alerts_name_only_metrics_and_labels_that_there_are(seen):
    found = samples(seen[0])
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    rules = [
        each for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"] for each in group["rules"]
    ]
    shown = [one["expr"] for each in dashboard["panels"] for one in each["targets"]]
    assert len(shown) > 15
    assert len(rules) >= 8
    known = {name for name, _ in found}
    labels = {label for _, of in found for label, _ in of} | {"le", "instance", "job"}

    for expression in [*shown, *(each["expr"] for each in rules)]:
        assert names_in(expression), expression
        assert names_in(expression) <= known, expression
        assert expression.count("(") == expression.count(")"), expression
        for by in re.findall(r"by \(([^)]*)\)", expression):
            assert {each.strip() for each in by.split(",")} <= labels, expression
        for label in re.findall(r'[{,]\s*(\w+)\s*=~?"', expression):
            assert label in labels, expression
    for each in rules:
        assert each["annotations"]["summary"], each["alert"]
        assert each["annotations"]["description"], each["alert"]
        assert each["labels"]["severity"] in {"critical", "warning", "info"}


@pytest.mark.parametrize(
    "given", ["", "nonsense", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"ff-{TRACE}-00f067aa0ba902b7-01", PARENT.upper()]
)
def test_a_traceparent_that_is_none_begins_a_trace(given):
    made = continued(given)

    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", made.parent)
    assert made.trace_id != TRACE


def test_metrics_of_several_server_processes_are_told_by_any_and_need_the_token(tmp_path):
    with serving(tmp_path, "--workers", "2", ELIGO_METRICS_TOKEN="a secret") as served:
        url = f"{served.address}/metrics"
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"Authorization": "Bearer another"}).status_code == 401
        for _ in range(20):
            httpx.get(f"{served.address}/v1/trials")
        told = httpx.get(url, headers={"Authorization": "Bearer a secret"})
    found = samples(told.text)
    listed = (("method", "GET"), ("route", "/v1/trials"), ("status", "200"))

    assert told.status_code == 200
    assert found["eligo_http_requests_total", listed] == 20
