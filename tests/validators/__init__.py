"""Validators of FHIR that are not Eligo's own: `fhir.resources` (R4B, R5), npm `fhir` and the JSON Schema (R4)."""

from __future__ import annotations

import atexit
import importlib
import json
import re
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from tests.npm import node_in

_HERE = Path(__file__).parent
# What the two say though the standard says otherwise, and nothing else:
_KNOWN = (
    # R4 binds Expression.language extensibly; the schema lists only the codes that R4 itself defines. The code is that
    # of R4B and R5.
    re.compile(r"PlanDefinition/\S+ /action/\d+/action/\d+/condition/0/expression/language must be equal to one of .*"),
    # A required element may have an extension in place of a value (`_status`, where the register does not know it).
    re.compile(r"ResearchStudy/\S+ ResearchStudy\.status: Missing property"),
)


def problems_by_models(resource: dict[str, Any], version: str) -> list[str]:
    """What `fhir.resources` says of a resource and of all that it holds."""
    folder = "fhir.resources.R4B." if version == "4.0" else "fhir.resources."
    found = []
    for each in _inside(resource):
        name = each["resourceType"]
        model = getattr(importlib.import_module(f"{folder}{name.lower()}"), name)
        try:
            model.model_validate(each)
        except ValueError as error:
            found.append(f"{name}/{each.get('id')} ({version}): {str(error)[:500]}")
    return found


def problems_in_r4(resources: Iterable[dict[str, Any]]) -> list[str]:
    """What npm `fhir` and the R4 JSON Schema say of the resources and of all that they hold. Skips without Node."""
    process = _process()
    told = []
    for each in resources:
        for one in _inside(each):
            answer = process.check(one)
            told += [f"{kind}: {problem}" for kind in ("fhir", "schema") for problem in answer[kind]]
    return [each for each in told if not any(known.search(each) for known in _KNOWN)]


class _Process:
    """A Node process that validates a line at a time, for as long as the tests run."""

    def __init__(self, node: str) -> None:
        self._process = subprocess.Popen(
            [node, str(_HERE / "validate.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        atexit.register(self._process.communicate)

    def check(self, resource: dict[str, Any]) -> dict[str, list[str]]:
        """What is wrong with one resource, by validator."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(resource)}\n")
        self._process.stdin.flush()
        answer: dict[str, list[str]] = json.loads(self._process.stdout.readline())
        return answer


@cache
def _process() -> _Process:
    return _Process(node_in(_HERE))


def _inside(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """The resource, and those of its Bundle or Parameters; what it contains is checked with it."""
    if resource["resourceType"] != "Bundle":
        return [resource]
    held = [one for each in resource["entry"] if "resource" in each for one in _inside(each["resource"])]
    entries = [{key: value for key, value in each.items() if key != "resource"} for each in resource["entry"]]
    return [{**resource, "entry": [each for each in entries if each]}, *held]
