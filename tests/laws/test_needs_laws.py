"""A record cut down to what a criterion needs gives the same answer: what is fetched by needs is enough to judge by."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.emitters.needs import needs_of
from app.knowledge.load import load_catalogue
from app.reader import read_criteria_text
from tests.judging import judge
from tests.records import bundle

CASES = Path(__file__).parents[1] / "cases" / "verdicts"
PATIENT = {"gender": "female", "birthDate": "1966-03-14"}
ALWAYS = {"Patient", "Bundle", "Medication", "Organization"}


def _cases() -> list[dict[str, Any]]:
    return [case for file in sorted(CASES.glob("*.yaml")) for case in yaml.safe_load(file.read_text())]


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["name"])
def test_what_is_needed_is_enough(case: dict[str, Any]) -> None:
    catalogue = load_catalogue()
    criteria = read_criteria_text(f"{case['side'].capitalize()} Criteria:\n- {case['line']}\n", catalogue)
    types = {need.type for each in criteria for need in needs_of(each.expression, catalogue)}
    whole = bundle(case.get("patient", PATIENT), case["records"])
    kept = [each for each in whole["entry"] if each["resource"].get("resourceType") in types | ALWAYS]
    asked = {
        "as_of": date.fromisoformat(case.get("asOf", "2026-11-22")),
        # What was asked for and not cut away is as complete as it was.
        "complete": frozenset(case.get("complete", [])),
        "absence": case.get("absence", "default"),
    }

    (all_of_it,) = judge(criteria, json.dumps(whole).encode(), **asked)["criteria"]
    (cut,) = judge(criteria, json.dumps({**whole, "entry": kept}).encode(), **asked)["criteria"]

    assert (cut["status"], cut["basis"]) == (all_of_it["status"], all_of_it["basis"])
    assert {each["reference"] for each in cut["evidence"]} == {each["reference"] for each in all_of_it["evidence"]}


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["name"])
def test_results_fetched_by_code_never_give_another_definite_answer(case: dict[str, Any]) -> None:
    catalogue = load_catalogue()
    criteria = read_criteria_text(f"{case['side'].capitalize()} Criteria:\n- {case['line']}\n", catalogue)
    needs = [need for each in criteria for need in needs_of(each.expression, catalogue)]
    codes = {code.code for need in needs for code in need.codes}
    whole = bundle(case.get("patient", PATIENT), case["records"])

    def is_fetched(resource: dict[str, Any]) -> bool:
        if resource.get("resourceType") == "Observation":
            return bool(codes & {each.get("code") for each in resource["code"].get("coding", [])})
        return resource.get("resourceType") in {need.type for need in needs} | ALWAYS

    kept = [each for each in whole["entry"] if is_fetched(each["resource"])]
    asked = {
        "as_of": date.fromisoformat(case.get("asOf", "2026-11-22")),
        "complete": frozenset(case.get("complete", [])),
        "absence": case.get("absence", "default"),
    }

    (all_of_it,) = judge(criteria, json.dumps(whole).encode(), **asked)["criteria"]
    (cut,) = judge(criteria, json.dumps({**whole, "entry": kept}).encode(), **asked)["criteria"]

    assert cut["status"] in {all_of_it["status"], "unknown", "review"}
