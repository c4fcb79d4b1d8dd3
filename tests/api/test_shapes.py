"""Answers have the shapes that the API description promises, down to the last member."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from app.api import examples
from app.demo import AS_OF, load_demo_patients, load_demo_trials
from app.main import create_app
from app.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")
JSON = {"Content-Type": "application/json"}
MADE = create_app(Settings(database_url="sqlite:///unused.db")).openapi()


def check(answer: Any, path: str, method: str = "post") -> dict[str, Any]:
    described = MADE["paths"][path][method]["responses"][str(answer.status_code)]["content"]
    schema = described[answer.headers["content-type"]]["schema"]
    jsonschema.validate(answer.json(), {**schema, "components": MADE["components"]})
    found: dict[str, Any] = answer.json()
    return found


async def test_every_answer_is_as_described(client):
    patients = [each.content for each in load_demo_patients()]
    for trial in load_demo_trials():
        stored = check(await client.post("/v1/trials", content=trial.content, headers=JSON), "/v1/trials")
        check(await client.get(f"/v1/trials/{stored['id']}"), "/v1/trials/{trial_id}", "get")
        for patient in patients:
            answer = await client.post(
                f"/v1/trials/{stored['id']}/evaluate", params={"asOf": str(AS_OF)}, content=patient, headers=JSON
            )
            check(answer, "/v1/trials/{trial_id}/evaluate")
    for patient in patients:
        check(await client.post("/v1/evaluate", content=patient, headers=JSON), "/v1/evaluate")
    check(await client.get("/v1/trials"), "/v1/trials", "get")
    await client.post("/v1/trials", content=examples.PAGE, headers={"Content-Type": "text/plain"})
    check(await client.get("/v1/trials/NCT00000000/registration"), "/v1/trials/{trial_id}/registration", "get")
    path = "/v1/trials/{trial_id}/criteria"
    corrected = await client.put(
        path.replace("{trial_id}", "NCT00000000"), content=json.dumps(examples.CORRECTION), headers=JSON
    )
    check(corrected, path, "put")
    version = corrected.json()["version"]
    check(await client.get("/v1/trials/NCT00000000"), "/v1/trials/{trial_id}", "get")
    found = await client.get(f"/v1/trials/NCT00000000?diff={version - 1},{version}")
    assert found.json()["criteria"]
    check(found, "/v1/trials/{trial_id}", "get")
    check(await client.put(path.replace("{trial_id}", "NCT00000000"), content="{}", headers=JSON), path, "put")
    check(await client.post("/v1/read", content=examples.CRITERIA, headers={"Content-Type": "text/plain"}), "/v1/read")
    check(await client.get("/health/live"), "/health/live", "get")
    check(await client.get("/health/ready"), "/health/ready", "get")


async def test_every_problem_is_as_described(client):
    check(await client.get("/v1/trials/nobody"), "/v1/trials/{trial_id}", "get")
    check(await client.get("/v1/trials?page=x"), "/v1/trials", "get")
    check(await client.post("/v1/trials", content="x"), "/v1/trials")
    check(await client.post("/v1/trials", content="{}", headers=JSON), "/v1/trials")


async def test_every_example_of_a_body_can_be_sent(client):
    bodies = [
        (method, path, *content)
        for path, calls in MADE["paths"].items()
        for method in ("post", "put")
        for content in calls.get(method, {}).get("requestBody", {}).get("content", {}).items()
    ]
    assert {method for method, *_ in bodies} == {"post", "put"}
    for method, path, media_type, content in bodies:
        if path.endswith("/feedback"):
            continue  # it names a card that was given out before
        for each in content.get("examples", {"": {"value": content.get("example")}}).values():
            body = each["value"]
            answer = await client.request(
                method,
                path.replace("{trial_id}", "NCT00000000").replace("{service_id}", "trials-patient-view"),
                content=body if isinstance(body, str) else json.dumps(body),
                headers={"Content-Type": media_type},
            )
            assert answer.status_code in {200, 201}, (path, media_type, answer.text)
