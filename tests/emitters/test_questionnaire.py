"""The Questionnaire and the report fit together: what a report asks is an item, and what an item takes is an answer."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import orjson
import pytest

from app.demo import load_demo_patients
from app.emitters.fhir import FhirVersion
from app.emitters.package import resource_of
from app.services import core
from app.services.options import Options
from app.services.reading import read_trial
from tests.emitters.trials import catalogue, published_file, target

AS_OF = Options(date(2026, 11, 22))


@pytest.fixture(scope="module")
def desk() -> core.Desk:
    return core.Desk(catalogue(), target().canonical)


def flat(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for each in items for one in (each, *flat(each.get("item", [])))]


def asked(verdict: dict[str, Any]) -> set[str]:
    """The linkIds of all questions of a criterion and of its parts."""
    return {each["linkId"] for each in verdict["questions"]}.union(*(asked(each) for each in verdict["parts"]), set())


@pytest.mark.parametrize("version", list(FhirVersion))
def test_every_question_of_a_report_is_an_item(shared, desk, version):
    met: set[str] = set()
    for path in sorted((shared / "trials").glob("*.txt")):
        form = resource_of("Questionnaire", published_file(path), target(version))
        booleans = {each["linkId"] for each in flat(form["item"]) if each["type"] == "boolean"}
        ready = core.ready_trial(desk, 1, read_trial("text/plain", path.read_text(), None, catalogue()).document)
        for patient in load_demo_patients():
            report = orjson.loads(core.judge(ready, patient.content, AS_OF, desk))
            found = set().union(*(asked(each) for each in report["criteria"]))
            assert found <= booleans, (path.name, patient.name)
            met |= found
    assert len(met) > 20


def answer_to(item: dict[str, Any]) -> dict[str, Any]:
    """Some answer that the item takes."""
    if options := item.get("answerOption"):
        return dict(options[0])
    match item["type"]:
        case "boolean":
            return {"valueBoolean": True}
        case "date":
            return {"valueDate": "2026-11-01"}
        case "quantity":
            unit = item["extension"][0]["valueCoding"]
            return {"valueQuantity": {"value": 1, "system": unit["system"], "code": unit["code"], "unit": unit["code"]}}
        case _:
            raise AssertionError(item["type"])


@pytest.mark.parametrize("version", list(FhirVersion))
def test_every_item_takes_an_answer(shared, desk, version):
    """No answer of the kind that an item asks for is turned down, and facts settle something."""
    settled = 0
    for path in sorted((shared / "trials").glob("*.txt")):
        form = resource_of("Questionnaire", published_file(path), target(version))
        items = [each for each in flat(form["item"]) if each["type"] != "group"]
        response: dict[str, Any] = {
            "resourceType": "QuestionnaireResponse",
            "id": "answers",
            "status": "completed",
            "questionnaire": f"{form['url']}|{form['version']}",
            "subject": {"reference": "Patient/p1"},
            "authored": "2026-11-20T10:00:00Z",
            "item": [{"linkId": each["linkId"], "answer": [answer_to(each)]} for each in items],
        }
        facts = [each for each in response["item"] if each["linkId"].startswith("fact:")]
        patient = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1970-01-01"}
        ready = core.ready_trial(desk, 1, read_trial("text/plain", path.read_text(), None, catalogue()).document)

        def judge(*resources: dict[str, Any], ready: core.ReadyTrial = ready) -> dict[str, Any]:
            bundle = {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [{"resource": each} for each in resources],
            }
            report: dict[str, Any] = orjson.loads(core.judge(ready, json.dumps(bundle).encode(), AS_OF, desk))
            return report

        whole, bare = judge(patient, response), judge(patient)
        assert [each for each in whole["warnings"] if each["code"] == "answer-not-used"] == []
        assert whole["counts"]["review"] == 0
        by_facts = judge(patient, {**response, "item": facts})
        settled += bare["counts"]["unknown"] - by_facts["counts"]["unknown"]
    assert settled > 10
