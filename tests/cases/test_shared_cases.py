"""The sample patients of the reference material, each against the registration it was written for."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from app.knowledge.load import load_catalogue
from app.reader import read_registration
from tests.judging import judge

SHARED = Path(os.environ.get("ELIGO_SHARED", Path(__file__).parents[3] / "shared"))


def _cases() -> list[Any]:
    files = sorted((SHARED / "cases").glob("*.json"))
    found = [
        (data["source"], case) for file in files for data in [json.loads(file.read_text())] for case in data["cases"]
    ]
    if found:
        return [pytest.param(source, case, id=case["id"]) for source, case in found]
    return [pytest.param("", {}, marks=pytest.mark.skip(reason=f"no sample cases under {SHARED}"))]


@pytest.mark.parametrize(("source", "case"), _cases())
def test_a_sample_patient_gets_an_accepted_verdict(source: str, case: dict[str, Any]) -> None:
    registration = read_registration((SHARED / source).read_text(), load_catalogue())
    entries = [{"resource": resource} for resource in case["resources"]]
    body = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()

    report = judge(
        registration.criteria,
        body,
        as_of=date.fromisoformat(case["asOf"]),
        complete=frozenset(case.get("complete") or []),
        trial_id=registration.id or "TRIAL",
    )

    words = " ".join(case["find"].split())
    found = [
        each
        for each in report["criteria"]
        if each["kind"] == case["kind"] and words in " ".join(each["text"].replace("\\", "").split())
    ]
    assert len(found) == 1, [each["text"] for each in found]
    verdict = found[0]
    assert verdict["status"] in case["accept"], (case["why"], verdict["explanation"], verdict["parts"])
    assert set(case["evidence"]) <= {each["reference"] for each in verdict["evidence"]}
