"""What docs/fhir.md shows of one criterion is what is made of it."""

from __future__ import annotations

import base64
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from app.api import examples
from app.api.fhir_capability import SERVED
from app.emitters.group import group
from app.emitters.guidance import guidance_response
from app.emitters.package import resource_of
from app.services import core
from app.services.options import Options
from app.services.reading import read_trial
from tests.emitters.trials import catalogue, published, target

PAGE = (Path(__file__).parents[2] / "docs" / "fhir.md").read_text("utf-8")
WORDS = re.findall(r"^> (.*)$", PAGE, re.MULTILINE)[0]
BLOCKS = [json.loads(each) for each in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
(CQL,) = re.findall(r"```cql\n(.*?)```", PAGE, re.DOTALL)
TEXT = f"A study of something\n\nNCT ID: NCT00000000\n\nInclusion Criteria:\n1. {WORDS}\n"


def fits(whole: Any, shown: Any) -> bool:
    """Whether everything that is shown is there; what is left out may be anything."""
    if isinstance(shown, dict):
        return isinstance(whole, dict) and all(key in whole and fits(whole[key], shown[key]) for key in shown)
    if isinstance(shown, list):
        return isinstance(whole, list) and all(any(fits(each, one) for each in whole) for one in shown)
    return bool(whole == shown)


def test_the_criterion_is_as_shown():
    trial = published(TEXT)
    plan = resource_of("PlanDefinition", trial, target())
    ready = core.ready_trial(
        desk := core.Desk(catalogue()), 1, read_trial("text/plain", TEXT, None, catalogue()).document
    )
    report = core.judge(ready, json.dumps(examples.BUNDLE).encode(), Options(date(2026, 11, 22)), desk)
    guidance = guidance_response(orjson.loads(report), target())
    (verdict,) = [each for each in guidance["contained"][0]["parameter"] if each["name"] == "criterion"]

    assert len(BLOCKS) == 3
    assert fits(group(trial, target())["characteristic"][0], BLOCKS[0])
    assert fits(plan["action"][0]["action"][0], BLOCKS[1])
    assert fits(verdict, BLOCKS[2])
    assert not fits(verdict, BLOCKS[1])
    library = resource_of("Library", trial, target())
    assert f"\n{CQL}\n" in base64.b64decode(library["content"][0]["data"]).decode()


def test_every_type_that_is_served_is_told():
    table = PAGE[PAGE.index("## What a trial is made of") : PAGE.index("## Calls")]

    assert [each for each in SERVED if each not in table] == []
