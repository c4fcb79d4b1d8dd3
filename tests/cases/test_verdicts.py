"""The verdict cases: one line of criteria, a patient in few words, and what the answer must be."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.knowledge.load import load_catalogue
from app.reader import read_criteria_text
from tests.judging import judge
from tests.records import bundle

CASES = Path(__file__).parent / "verdicts"
PATIENT = {"gender": "female", "birthDate": "1966-03-14"}


def _cases() -> list[dict[str, Any]]:
    return [case for file in sorted(CASES.glob("*.yaml")) for case in yaml.safe_load(file.read_text())]


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["name"])
def test_a_verdict_is_what_the_semantics_demand(case: dict[str, Any]) -> None:
    criteria = read_criteria_text(f"{case['side'].capitalize()} Criteria:\n- {case['line']}\n", load_catalogue())
    body = json.dumps(bundle(case.get("patient", PATIENT), case["records"])).encode()

    report = judge(
        criteria,
        body,
        as_of=date.fromisoformat(case.get("asOf", "2026-11-22")),
        complete=frozenset(case.get("complete", [])),
        absence=case.get("absence", "default"),
    )

    (verdict,) = report["criteria"]
    assert verdict["status"] == case["expect"], verdict["explanation"]
    references = {each["reference"] for each in verdict["evidence"]}
    assert set(case.get("evidence", [])) <= references
    assert case.get("missing", "").lower() in json.dumps(verdict["missing"]).lower()
    assert verdict["passesFrom"] == case.get("passesFrom")
    assert (verdict["holds"] is None) == (case["expect"] in {"unknown", "review", "note"})
    assert bool(verdict["missing"]) == (case["expect"] == "unknown")
