"""`eligo doctor` and `eligo settings`: what is wrong with a deployment, and what is in force."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from app import settings as settings_module
from app.settings import BadSetting, load_settings, unknown_variables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Issuer(BaseHTTPRequestHandler):
    """Gives keys under /keys, and nothing else; its clock is an hour behind."""

    def do_GET(self) -> None:
        body = b'{"keys": [{"kty": "EC"}]}' if self.path == "/keys" else b"{}"
        self.send_response(200 if self.path == "/keys" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return "Sun, 01 Nov 2026 00:00:00 GMT"

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def issuer() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Issuer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def findings(text: str) -> dict[str, dict[str, str]]:
    return {each["name"]: each for each in map(json.loads, text.splitlines())}


def test_a_deployment_that_can_work_is_found_well(eligo):
    ended = eligo("doctor", "--json", ELIGO_PUBLIC_URL="https://eligo.example.org")
    found = findings(ended.stdout)

    assert {name for name, each in found.items() if each["state"] == "ok"} == {
        *("Settings", "Database", "Public address", "Clock", "Temporary files", "Judging"),
    }
    assert found["Authentication"]["state"] == found["Canonical address"]["state"] == "warning"
    assert all(each["todo"] for each in found.values() if each["state"] != "ok")


def test_everything_that_is_wrong_is_told_with_what_to_do(eligo, issuer, tmp_path):
    (tmp_path / "ranges.yaml").write_text("creatinin: {high: 1.2, unit: mg/dL}")
    ended = eligo(
        "doctor",
        "--json",
        code=1,
        ELIGO_DATABASE_URL="postgresql://eligo:hush@127.0.0.1:1/eligo",
        ELIGO_AUTH_ISSUERS=json.dumps({"https://a": f"{issuer}/keys", "https://b": f"{issuer}/nothing"}),
        ELIGO_PUBLIC_URL="http://eligo.example.org",
        ELIGO_TERMINOLOGY_URL=f"{issuer}/fhir",
        ELIGO_OTEL_ENDPOINT="http://127.0.0.1:1",
        ELIGO_REFERENCE_RANGES=str(tmp_path / "ranges.yaml"),
        ELIGO_AUHT="none",
    )
    found = findings(ended.stdout)

    assert {name: each["state"] for name, each in found.items()} == {
        "Settings": "warning",
        "Database": "problem",
        "Authentication": "ok",
        "Keys of https://a": "ok",
        "Keys of https://b": "problem",
        "Public address": "warning",
        "Canonical address": "warning",
        "Traces": "problem",
        "Terminology server": "problem",
        "Clock": "problem",
        "Temporary files": "ok",
        "Judging": "problem",
    }
    assert "ELIGO_AUTH?" in found["Settings"]["todo"]
    assert "creatinin" in found["Judging"]["says"]
    assert "hush" not in ended.stdout
    assert all(each["todo"] for each in found.values() if each["state"] != "ok")


def test_a_setting_that_cannot_be_used_is_the_first_thing_told(eligo):
    ended = eligo("doctor", code=1, ELIGO_JUDGE_PROCESSES="many")

    assert "ELIGO_JUDGE_PROCESSES" in ended.stdout
    assert "Processes that read and judge" in ended.stdout


def test_settings_are_shown_with_where_they_come_from_and_without_secrets(eligo, tmp_path):
    (tmp_path / "token").write_text("a secret\n")
    ended = eligo("settings", ELIGO_METRICS_TOKEN_FILE=str(tmp_path / "token"), ELIGO_LOG_LEVEL="debug")
    rows = [each.replace("│", " ").split() for each in ended.stdout.splitlines()]
    lines = {name: rest for name, *rest in filter(None, rows)}

    assert lines["ELIGO_LOG_LEVEL"] == ["debug", "environment"]
    assert lines["ELIGO_METRICS_TOKEN"] == ["(set)", "ELIGO_METRICS_TOKEN_FILE"]
    assert "a secret" not in ended.stdout


def test_a_setting_may_come_from_a_file_or_from_where_secrets_are_mounted(tmp_path, monkeypatch):
    monkeypatch.setattr(settings_module, "SECRETS", tmp_path)
    (tmp_path / "eligo_metrics_token").write_text("mounted\n")
    (tmp_path / "issuers").write_text('{"https://a": "https://a/keys"}\n')
    monkeypatch.setenv("ELIGO_CDS_ISSUERS_FILE", str(tmp_path / "issuers"))

    assert load_settings().metrics_token.get_secret_value() == "mounted"
    assert load_settings().cds_issuers == {"https://a": "https://a/keys"}
    monkeypatch.setenv("ELIGO_METRICS_TOKEN", "own")
    assert load_settings().metrics_token.get_secret_value() == "own"
    monkeypatch.setenv("ELIGO_CDS_ISSUERS", "{}")
    with pytest.raises(BadSetting, match="ELIGO_CDS_ISSUERS_FILE cannot be used: ELIGO_CDS_ISSUERS is set as well"):
        load_settings()
    monkeypatch.delenv("ELIGO_CDS_ISSUERS")
    monkeypatch.setenv("ELIGO_CDS_ISSUERS_FILE", str(tmp_path / "nothing"))
    with pytest.raises(BadSetting, match=r"ELIGO_CDS_ISSUERS_FILE cannot be used: .*nothing cannot be read"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ELIGO_CHILDBEARING_AGES", "55-12"),
        ("ELIGO_CHILDBEARING_AGES", "young"),
        ("ELIGO_STALE_AFTER", "90 days"),
        ("ELIGO_DATABASE_POOL_SIZE", "0"),
        ("ELIGO_OTEL_ENDPOINT", "collector:4318"),
        ("ELIGO_LOG_FORMAT", "xml"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_what_the_setting_is_for(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting, match="It is for this: ") as refusal:
        load_settings()

    assert refusal.value.name == name


def test_variables_that_are_no_settings_are_known_and_those_of_an_orchestrator_are_not_meant():
    found = unknown_variables(["ELIGO_DATABSE_URL", "ELIGO_PORT_8000_TCP", "ELIGO_SERVICE_HOST", "ELIGO_X", "PATH"])

    assert found == {"ELIGO_DATABSE_URL": "ELIGO_DATABASE_URL", "ELIGO_X": ""}


def test_a_sites_own_rules_change_verdicts_and_the_digest_that_reports_tell(tmp_path: Path):
    from app.knowledge.load import load_catalogue
    from app.services import core
    from app.services.options import Options, read_day
    from app.settings import Settings
    from app.wiring.site import site_of

    (tmp_path / "ranges.yaml").write_text("creatinine: {high: 1.2, unit: mg/dL}")
    catalogue = load_catalogue()
    day = read_day("2026-11-22")
    assert day is not None
    patient = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1969-05-01"}
    creatinine = {
        "resourceType": "Observation",
        "id": "c",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
        "effectiveDateTime": "2026-11-20",
        "valueQuantity": {"value": 1.5, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"},
    }
    entries = [{"resource": each} for each in (patient, creatinine)]
    sent = {
        "trial": "Inclusion Criteria:\n- Creatinine <= 1.5 x ULN\n"
        "- Women of childbearing potential must use contraception\n",
        "bundle": {"resourceType": "Bundle", "type": "collection", "entry": entries},
    }

    def report(settings: Settings) -> dict[str, object]:
        desk = core.Desk(catalogue, None, site_of(settings))
        return json.loads(core.judge_inline(json.dumps(sent).encode(), Options(as_of=day), desk))

    default = report(Settings())
    own = report(Settings(reference_ranges=str(tmp_path / "ranges.yaml"), childbearing_ages="12-60"))
    statuses = [[each["status"] for each in one["criteria"]] for one in (default, own)]  # type: ignore[attr-defined]
    bases = [[each["basis"] for each in one["criteria"]] for one in (default, own)]  # type: ignore[attr-defined]

    assert (statuses[0][0], statuses[1][0]) == ("unknown", "pass")
    assert (bases[0][1], bases[1][1] != "not-applicable") == ("not-applicable", True)
    assert default["engine"] != own["engine"]
    assert default["engine"]["knowledge"] == catalogue.digest  # type: ignore[index]
