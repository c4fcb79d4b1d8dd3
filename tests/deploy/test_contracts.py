"""What is published for callers: examples of every call, JSON Schemas, and a client made from the API description."""

from __future__ import annotations

import json
import subprocess
import textwrap
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema
import pytest

from app.api import examples
from app.api.published import load_answers, schemas
from app.cli.answering import AS_OF, ask_all
from app.demo import load_demo_patients, load_demo_trials
from tests.deploy.gateways import ROOT, TOOLS
from tests.serving import Served, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DESCRIPTION: dict[str, Any] = json.loads((ROOT / "openapi" / "openapi.json").read_text())
CALLS = {call["operationId"]: call for path in DESCRIPTION["paths"].values() for call in path.values()}
SCHEMAS = ROOT / "schemas"
OF_THE_DAY = {"call_service"}
"""Its cards speak of today."""


def validate(example: Any, schema: dict[str, Any]) -> None:
    whole = {**schema, "components": DESCRIPTION["components"]}
    jsonschema.Draft202012Validator(whole).validate(example)


def load_schema(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{name}.schema.json").read_text()))


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_call_shows_what_it_takes_and_what_it_answers(name):
    call = CALLS[name]
    for media_type, body in call.get("requestBody", {}).get("content", {}).items():
        shown = [body["example"]] if "example" in body else [each["value"] for each in body["examples"].values()]
        assert shown, media_type
        for each in shown:
            validate(each, body["schema"])
    answers = {
        (status, media_type): body
        for status, answer in call["responses"].items()
        for media_type, body in answer.get("content", {}).items()
        if "example" in body
    }
    for body in answers.values():
        validate(body["example"], body["schema"])
    shown_well = [status for status, _ in answers if status.startswith("2")]
    assert shown_well or "204" in call["responses"], "no good answer is shown"


@pytest.mark.parametrize("status", ["400", "404", "412", "415", "422"])
def test_problems_are_shown_as_well(status):
    found = [name for name, answers in load_answers().items() if status in answers]

    assert found
    for name in found:
        [example] = load_answers()[name][status].values()
        load_schema("problem").validate(example)
        assert example["status"] == int(status)


async def test_the_examples_are_what_the_service_answers_now():
    now = await ask_all()

    kept = load_answers()
    assert set(now) == set(kept), "run `make openapi`"
    for name in set(now) - OF_THE_DAY:
        assert now[name] == kept[name], f"{name}: run `make openapi`"


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_schemas_are_those_of_the_code(name):
    text = (SCHEMAS / f"{name}.schema.json").read_text()

    assert json.loads(text) == json.loads(json.dumps(schemas()[name])), "run `make openapi`"
    jsonschema.Draft202012Validator.check_schema(json.loads(text))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("contracts")) as served:
        yield served


def test_what_the_service_answers_on_the_demonstration_is_as_published(service):
    trial_schema, report_schema, problem_schema = map(load_schema, ("trial", "report", "problem"))
    expression = load_schema("expression")
    with httpx.Client(base_url=service.address, timeout=60) as client:
        for trial in load_demo_trials():
            stored = client.post("/v1/trials", content=trial.content, headers={"Content-Type": "application/json"})
            trial_schema.validate(stored.json())
            for criterion in stored.json()["criteria"]:
                if criterion["expression"] is not None:
                    expression.validate(criterion["expression"])
            for patient in load_demo_patients():
                report = client.post(
                    f"{stored.headers['location']}/evaluate",
                    params={"asOf": AS_OF},
                    content=patient.content,
                    headers={"Content-Type": "application/json"},
                )
                assert report.status_code == 200
                report_schema.validate(report.json())
        refused = client.get("/v1/trials/none")
    problem_schema.validate(refused.json())


@pytest.mark.parametrize(
    ("name", "of", "member", "value"),
    [
        ("report", "evaluate", "overall", 7),
        ("report", "evaluate", "criteria", [{"id": "I1"}]),
        ("trial", "get_trial", "version", "one"),
        ("problem", "get_trial", "status", "404"),
    ],
)
def test_the_schemas_refuse_what_is_none(name, of, member, value):
    status = "404" if name == "problem" else "200"
    [example] = load_answers()[of][status].values()
    load_schema(name).validate(example)

    with pytest.raises(jsonschema.ValidationError):
        load_schema(name).validate({**example, member: value})
    del example[member]
    with pytest.raises(jsonschema.ValidationError):
        load_schema(name).validate(example)


def test_a_client_made_from_the_description_judges_a_record(service, tmp_path: Path):
    generator = TOOLS / "openapi-python-client"
    if not generator.exists():
        pytest.skip("The generator is not installed: `make tools`.")
    config = tmp_path / "config.yaml"
    config.write_text("post_hooks: []\n")
    made = subprocess.run(
        [
            str(generator),
            "generate",
            "--path",
            str(ROOT / "openapi" / "openapi.json"),
            "--meta",
            "none",
            "--output-path",
            str(tmp_path / "client" / "eligo_client"),
            "--config",
            str(config),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert made.returncode == 0, made.stdout + made.stderr
    with httpx.Client(base_url=service.address, timeout=60) as client:
        client.post("/v1/trials", content=examples.PAGE, headers={"Content-Type": "text/plain"})
    program = textwrap.dedent(
        """
        import datetime, json, sys
        from eligo_client import Client
        from eligo_client.api.judging import evaluate
        from eligo_client.models import EligibilityReport, EvaluateJsonBody

        address, given, day = json.load(sys.stdin)
        with Client(base_url=address, timeout=60) as client:
            body, day = EvaluateJsonBody.from_dict(given), datetime.date.fromisoformat(day)
            answer = evaluate.sync("NCT00000000", client=client, body=body, as_of=day)
        assert isinstance(answer, EligibilityReport), answer
        print(json.dumps(answer.to_dict()))
        """
    )
    done = subprocess.run(
        [str(TOOLS / "python"), "-c", program],
        input=json.dumps([service.address, examples.BUNDLE, AS_OF]),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path / "client")},
    )

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    load_schema("report").validate(report)
    assert {each["id"]: each["status"] for each in report["criteria"]}["I1"] == "pass"
