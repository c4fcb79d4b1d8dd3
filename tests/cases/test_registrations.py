"""Patients for whole registrations: each file is named after the registration whose criteria it puts to the test."""

from __future__ import annotations

import json
import os
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from app.knowledge.load import load_catalogue
from app.reader import read_registration
from tests.judging import judge
from tests.records import bundle

if TYPE_CHECKING:
    from app.reader import Registration

SHARED = Path(os.environ.get("ELIGO_SHARED", Path(__file__).parents[3] / "shared"))
CASES = Path(__file__).parent / "registrations"
PATIENT = {"gender": "female", "birthDate": "1966-03-14"}
KEYS = {
    *("name", "criterion", "asOf", "complete", "absence", "patient", "records"),
    *("expect", "accept", "evidence", "missing", "passesFrom", "why", "xfail"),
}


def _flat(records: list[Any]) -> list[dict[str, Any]]:
    """The records of a case; a list among them is a set of records that several cases share (a YAML anchor)."""
    return [each for record in records for each in (record if isinstance(record, list) else [record])]


def _cases() -> list[Any]:
    made = []
    for file in sorted(CASES.glob("*.yaml")):
        absent = not (SHARED / "trials" / f"{file.stem}.txt").exists()
        for case in yaml.safe_load(file.read_text()) or []:
            marks = [pytest.mark.skip(reason=f"no registration {file.stem} under {SHARED}")] if absent else []
            if "xfail" in case:
                marks.append(pytest.mark.xfail(reason=case["xfail"], strict=True))
            made.append(pytest.param(file.stem, case, id=f"{file.stem}-{case['name']}", marks=marks))
    return made


@cache
def _registration(stem: str) -> Registration:
    return read_registration((SHARED / "trials" / f"{stem}.txt").read_text(), load_catalogue())


@pytest.mark.parametrize(("stem", "case"), _cases())
def test_a_patient_gets_the_verdict_of_the_semantics(stem: str, case: dict[str, Any]) -> None:
    assert set(case) <= KEYS, set(case) - KEYS
    registration = _registration(stem)
    body = json.dumps(bundle(case.get("patient", PATIENT), _flat(case.get("records", []))), default=str).encode()

    report = judge(
        registration.criteria,
        body,
        as_of=date.fromisoformat(str(case.get("asOf", "2026-11-22"))),
        complete=frozenset(case.get("complete", [])),
        absence=case.get("absence", "default"),
        trial_id=registration.id or "TRIAL",
    )

    (verdict,) = [each for each in report["criteria"] if each["id"] == case["criterion"]]
    said = (case["why"], verdict["explanation"], verdict["missing"], verdict["questions"])
    assert verdict["status"] in {case["expect"], *case.get("accept", [])}, (verdict["status"], *said)
    assert set(case.get("evidence", [])) <= {each["reference"] for each in verdict["evidence"]}, said
    assert case.get("missing", "").lower() in json.dumps(verdict["missing"]).lower(), said
    if "passesFrom" in case:
        assert verdict["passesFrom"] == case["passesFrom"], said
    assert (verdict["holds"] is None) == (verdict["status"] in {"unknown", "review", "note"})
    assert bool(verdict["missing"]) == (verdict["status"] == "unknown")
