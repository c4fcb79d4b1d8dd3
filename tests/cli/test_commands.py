"""The command line, as it is typed: output, exit codes, and where errors go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.api import cds_clients, examples

DEMO = Path(__file__).parents[2] / "app" / "demo"


def run_apart(*arguments: str, **environment: str) -> str:
    """The same in a process of its own, as the shell would."""
    return subprocess.run(
        [Path(sys.executable).with_name("eligo"), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    ).stdout


def test_import_evaluate_and_the_same_json_twice(eligo, tmp_path):
    (tmp_path / "page.txt").write_text(examples.PAGE)
    (tmp_path / "bundle.json").write_text(json.dumps(examples.BUNDLE))

    told = eligo("import", "page.txt", str(DEMO / "trials")).stdout.splitlines()
    assert told[0] == "NCT00000000 version 1 (new): 3 criteria: 3 computable."
    assert told[-1] == "6 new, 0 as before, 0 refused."
    assert len(told) == 8
    assert eligo("import", "page.txt").stdout.splitlines()[-1] == "0 new, 1 as before, 0 refused."
    arguments = ("evaluate", "--trial", "NCT00000000", "bundle.json", "--as-of", "2026-11-22")
    first = eligo(*arguments, "--json").stdout
    for seed in ("1", "2"):
        assert run_apart(*arguments, "--json", PYTHONHASHSEED=seed) == first
    report = json.loads(first)
    assert report["criteria"][0]["status"] == "pass"
    table = eligo(*arguments).stdout
    assert "Age 18 to 75 years" in table
    assert "missing: Observation" in table
    assert (
        eligo(
            "evaluate",
            "--trial",
            "NCT00000000",
            "-",
            "--as-of",
            "2026-11-22",
            "--json",
            stdin=json.dumps(examples.BUNDLE),
        ).stdout
        == first
    )


def test_import_tells_what_was_refused_and_takes_the_rest(eligo, tmp_path):
    folder = tmp_path / "trials"
    folder.mkdir()
    (folder / "a.txt").write_text(examples.PAGE)
    (folder / "b.json").write_text("{}")
    (folder / "c.txt").write_bytes(b"\xff\xfe")
    (folder / "d.pdf").write_text("not looked at")

    done = eligo("import", "trials", code=1)

    assert done.stdout.splitlines()[-1] == "1 new, 0 as before, 2 refused."
    assert "b.json" in done.stderr
    assert "c.txt is no UTF-8 text" in done.stderr


def test_read_shows_what_was_understood(eligo, tmp_path):
    (tmp_path / "page.txt").write_text(examples.CRITERIA)
    (tmp_path / "study.json").write_text(json.dumps(examples.STUDY))

    assert "age is between 18 years and 75 years" in eligo("read", "page.txt").stdout
    assert json.loads(eligo("read", "--json", "page.txt").stdout)["criteria"][0]["id"] == "I1"
    assert json.loads(eligo("read", "--json", "-", stdin=examples.CRITERIA).stdout)["criteria"][0]["id"] == "I1"
    assert json.loads(eligo("read", "--json", "study.json").stdout)["criteria"][0]["id"] == "age"
    assert not (tmp_path / "data").exists()


def test_refusals_are_exit_code_1_and_wrong_usage_2(eligo, tmp_path):
    (tmp_path / "bundle.json").write_text("{}")
    (tmp_path / "page.txt").write_text(examples.PAGE)
    eligo("import", "page.txt")

    assert "No trial is stored" in eligo("evaluate", "--trial", "x", "bundle.json", code=1).stderr
    assert "Bundle" in eligo("evaluate", "--trial", "NCT00000000", "bundle.json", code=1).stderr
    assert "maxAge" in eligo("evaluate", "--trial", "x", "bundle.json", "--max-age", "long", code=2).stderr
    assert "--as-of" in eligo("evaluate", "--trial", "x", "bundle.json", "--as-of", "today", code=2).stderr
    assert "nowhere" in eligo("evaluate", "--trial", "x", "nowhere", code=2).stderr
    assert "nowhere" in eligo("import", "nowhere", code=2).stderr
    assert eligo("evaluate", code=2).stdout == ""


def test_migrate_says_what_it_did(eligo):
    assert eligo("migrate").stdout.startswith("Migrated from an empty database to ")
    assert eligo("migrate").stdout.startswith("Already at ")


def test_serve_refuses_what_would_not_be_safe(eligo, tmp_path):
    told = " ".join(eligo("serve", "--host", "0.0.0.0", code=2).stderr.replace("│", " ").split())
    for named in (
        "loopback",
        "ELIGO_AUTH_ISSUERS",
        "ELIGO_AUTH_INTROSPECTION_URL",
        "ELIGO_PUBLIC_URL",
        "ELIGO_CDS_ISSUERS",
    ):
        assert named in told
    assert "ELIGO_JUDGE_PROCESSES" in eligo("serve", code=1, ELIGO_JUDGE_PROCESSES="none").stderr
    refused = eligo("serve", code=1, ELIGO_DATABASE_URL="postgresql://me:secret@127.0.0.1:1/x").stderr
    assert "database cannot be used" in refused
    assert "secret" not in refused
    assert "secret" not in eligo("migrate", code=1, ELIGO_DATABASE_URL="mysql://me:secret@h/x").stderr


TRUSTED = {
    "ELIGO_AUTH_ISSUERS": '{"https://login.example": "https://login.example/jwks"}',
    "ELIGO_PUBLIC_URL": "https://trials.example.org",
}
CDS = {"ELIGO_CDS_ISSUERS": '{"https://ehr.example": "https://ehr.example/jwks"}'}


def test_serve_listens_to_others_only_where_it_asks_for_tokens(eligo):
    nowhere = {"ELIGO_DATABASE_URL": "postgresql://127.0.0.1:1/x"}  # which ends the start where it would have begun
    everywhere = ("serve", "--host", "0.0.0.0")
    switched_off = [
        {**TRUSTED, "ELIGO_AUTH": "none"},
        CDS,
        {**TRUSTED, **CDS, "ELIGO_CDS_AUTH": "none"},
        {"ELIGO_PUBLIC_URL": "https://trials.example.org"},
    ]
    for environment in switched_off:
        assert "loopback only" in eligo(*everywhere, code=2, **environment).stderr
    introspection = {"ELIGO_AUTH_INTROSPECTION_URL": "https://login.example/introspect", "ELIGO_AUTH_AUDIENCE": "eligo"}
    for environment in (TRUSTED, introspection, {**TRUSTED, **CDS}):
        assert "database cannot be used" in eligo(*everywhere, code=1, **nowhere, **environment).stderr


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"ELIGO_AUTH_ISSUERS": TRUSTED["ELIGO_AUTH_ISSUERS"]}, "ELIGO_PUBLIC_URL"),
        ({"ELIGO_AUTH_ISSUERS": '{"x": "http://login.example/jwks"}'}, "https"),
        ({"ELIGO_AUTH_ISSUERS": '{"x": "file:///etc/jwks"}'}, "https"),
        ({"ELIGO_AUTH_ISSUERS": "https://login.example"}, "ELIGO_AUTH_ISSUERS"),
        ({"ELIGO_AUTH_INTROSPECTION_URL": "http://login.example/introspect"}, "https"),
        ({"ELIGO_AUTH": "off"}, "ELIGO_AUTH"),
    ],
)
def test_serve_refuses_authentication_that_would_not_be_one(eligo, environment, named):
    assert named in eligo("serve", code=1, **environment).stderr


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
    ],
)
def test_only_loopback_is_loopback(host, is_loopback):
    assert cds_clients.is_loopback(host) is is_loopback


def test_the_demonstration_shows_its_patients_and_how_to_go_on(eligo):
    shown = eligo("demo").stdout

    for patient in (DEMO / "patients").glob("*.json"):
        assert patient.stem.replace("-", " ") in shown
    for word in ("pass", "fail", "unknown", "review", "Passes from", "make serve", "/docs"):
        assert word in shown
    assert eligo("demo").stdout == shown


def test_the_demonstration_leaves_a_server_alone(eligo):
    shown = eligo("demo", ELIGO_DATABASE_URL="postgresql://127.0.0.1:1/nobody").stdout

    assert "nothing was written" in shown


def test_version_and_help(eligo):
    assert eligo("--version").stdout.startswith("eligo 0.")
    assert "Not a medical device" in eligo("--help").stdout
    assert json.loads(eligo("openapi").stdout)["info"]["title"] == "Eligo"


def test_import_tells_fhir_from_studies_by_its_resource_type(eligo, tmp_path):
    study = {
        "resourceType": "ResearchStudy",
        "status": "active",
        "title": "Cells against sarcoma",
        "description": "Inclusion Criteria:\n- Age 18 to 75 years\n\nExclusion Criteria:\n- Pregnant women\n",
    }
    file = tmp_path / "study.json"
    file.write_text(json.dumps(study))

    done = eligo("import", str(file))

    assert "1 new, 0 as before, 0 refused." in done.stdout, done.stderr


def test_a_person_shows_corrects_and_compares(eligo, tmp_path):
    (tmp_path / "page.txt").write_text(examples.PAGE)
    (tmp_path / "correction.json").write_text(json.dumps(examples.CORRECTION))
    eligo("import", "page.txt")

    first = eligo("correct", "NCT00000000", "correction.json", "--by", "curator-7").stdout
    again = eligo("correct", "NCT00000000", "correction.json").stdout
    late = eligo("correct", "NCT00000000", "correction.json", "--if-version", "1", code=1).stderr
    shown = eligo("show", "NCT00000000").stdout
    told = json.loads(eligo("show", "--json", "NCT00000000").stdout)
    changed = eligo("diff", "NCT00000000", "1", "2").stdout

    assert first == "NCT00000000 version 2 (new), reviewed.\n"
    assert again == "NCT00000000 version 2 (as before), reviewed.\n"
    assert "is at version 2" in late
    assert "Reviewed by curator-7" in shown
    assert told["review"]["by"] == "curator-7"
    assert "affects verdicts" in changed
    assert "is breastfeeding" in changed
    assert json.loads(eligo("diff", "--json", "NCT00000000", "1", "2").stdout)["counts"]["reread"] == 1
    assert "no criterion" in eligo("correct", "NCT00000000", "-", code=1, stdin='{"criteria": [{"id": "X"}]}').stderr
