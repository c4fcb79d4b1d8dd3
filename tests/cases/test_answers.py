"""The cases of answers by people: a line of criteria, a record, a QuestionnaireResponse, and the verdict."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from app.emitters.canonical import Canonical
from app.knowledge.load import load_catalogue
from app.reader import read_criteria_text
from app.services import core
from app.services.options import Options
from tests.judging import judge
from tests.records import bundle

CASES = Path(__file__).parent / "answers"
PATIENT = {"gender": "female", "birthDate": "1966-03-14"}
AS_OF = date(2026, 11, 22)
URL = Canonical().url("Questionnaire", "TRIAL")


def _cases() -> list[dict[str, Any]]:
    return [case for file in sorted(CASES.glob("*.yaml")) for case in yaml.safe_load(file.read_text())]


def _item(link_id: str, answer: object) -> dict[str, Any]:
    values = {bool: "valueBoolean", str: "valueString"}
    value = answer if isinstance(answer, dict) else {values[type(answer)]: answer}
    return {"linkId": link_id, "answer": [value]}


def _response(case: dict[str, Any], ident: str, answers: dict[str, Any], authored: str) -> dict[str, Any]:
    version = case.get("version", 1)
    made = {
        "resourceType": "QuestionnaireResponse",
        "id": ident,
        "questionnaire": case.get("questionnaire", URL if version == "none" else f"{URL}|{version}"),
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "authored": authored,
        # A group as the Questionnaire has it: answers are found however deep they stand.
        "item": [{"linkId": "all", "item": [_item(*each) for each in answers.items()]}],
    } | case.get("response", {})
    return {key: value for key, value in made.items() if value != "none"}


def _body(case: dict[str, Any]) -> bytes:
    authored = case.get("authored", "2026-11-20")
    responses = [_response(case, "qr", case["answers"], authored)]
    if "later" in case:
        responses.append(_response(case, "later", case["later"], "2026-11-21T08:00:00Z"))
    if "same" in case:
        responses.append(_response(case, "same", case["same"], authored))
    records = [*case.get("records", []), *({"raw": each} for each in responses)]
    return json.dumps(bundle(case.get("patient", PATIENT), records)).encode()


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["name"])
def test_an_answer_counts_as_the_semantics_say(case: dict[str, Any]) -> None:
    criteria = read_criteria_text(f"{case['side'].capitalize()} Criteria:\n- {case['line']}\n", load_catalogue())

    report = judge(criteria, _body(case), as_of=AS_OF, complete=frozenset(case.get("complete", [])), version=1)

    (verdict,) = report["criteria"]
    assert verdict["status"] == case["expect"], verdict["explanation"]
    assert verdict["basis"] == case.get("basis", verdict["basis"])
    assert set(case.get("evidence", [])) <= {each["reference"] for each in verdict["evidence"]}
    assert not [each for each in verdict["evidence"] if "#" in each["reference"]]
    assert verdict["passesFrom"] == case.get("passesFrom")
    assert case.get("missing", "") in json.dumps(verdict["missing"])
    assert {each["code"] for each in report["warnings"]} == ({case["warning"]} if "warning" in case else set())


def test_an_answer_is_cited_where_it_stands() -> None:
    criteria = read_criteria_text("Inclusion Criteria:\n- Hemoglobin ≥ 90 g/L\n", load_catalogue())
    case = {"answers": {"fact:haemoglobin": {"valueQuantity": {"value": 9.5, "unit": "g/dL"}}}}

    (verdict,) = judge(criteria, _body(case), as_of=AS_OF, version=1)["criteria"]

    (evidence,) = verdict["evidence"]
    assert evidence["reference"] == "QuestionnaireResponse/qr"
    assert evidence["path"] == "QuestionnaireResponse.descendants().where(linkId='fact:haemoglobin').answer.value"
    assert evidence["value"].startswith("9.5 g/dL")
    assert evidence["effective"] == "2026-11-20"


def test_answers_count_alike_for_one_trial_for_several_and_for_all() -> None:
    desk = core.Desk(load_catalogue())
    criteria = read_criteria_text("Inclusion Criteria:\n- Life expectancy of at least 3 months\n", load_catalogue())
    answered = desk.ready("TRIAL", 1, "The trial", "recruiting", criteria)
    other = desk.ready("OTHER", 1, "Another trial", "recruiting", criteria)
    body, options = _body({"answers": {"I1": True}}), Options(as_of=AS_OF)

    alone = orjson.loads(core.judge(answered, body, options, desk))
    several = [orjson.loads(each) for each in core.judge_each([answered, other], body, options, desk)]
    every = orjson.loads(core.judge_all([answered, other], body, options, None, desk))

    assert alone == several[0]
    assert [each["criteria"][0]["status"] for each in several] == ["pass", "review"]
    assert [(each["trial"]["id"], each["overall"]) for each in every["results"]] == [
        ("TRIAL", "eligible"),
        ("OTHER", "undetermined"),
    ]


def test_a_trial_sent_along_has_no_questionnaire() -> None:
    criteria = read_criteria_text("Inclusion Criteria:\n- Life expectancy of at least 3 months\n", load_catalogue())

    (verdict,) = judge(criteria, _body({"answers": {"I1": True}}), as_of=AS_OF)["criteria"]

    assert verdict["status"] == "review"
