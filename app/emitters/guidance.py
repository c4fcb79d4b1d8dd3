"""An eligibility report as a GuidanceResponse: every criterion as a parameter, what is missing as DataRequirements.

A report is taken as the JSON of the contract. The answer refers to the caller's own resources by the references that
the caller can resolve; nothing of the record is copied but the values that were read.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.emitters.canonical import fhir_id
from app.emitters.fhir import DATA_ABSENT, UCUM, Resource, one_line, plain, pruned
from app.emitters.plan import plan_canonical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.emitters.fhir import Target

_DATE_TIME = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?")
_WINDOW = re.compile(r"P(?:T(\d+)(H)|(\d+)([DWMY]))")
_UNITS = {"H": ("hours", "h"), "D": ("days", "d"), "W": ("weeks", "wk"), "M": ("months", "mo"), "Y": ("years", "a")}
_CODE_PATH = {"Immunization": "vaccineCode"} | dict.fromkeys(
    ("MedicationRequest", "MedicationStatement", "MedicationAdministration", "MedicationDispense"), "medication"
)
_DATE_PATH = {"Observation": "effective", "Condition": "onset"}
_RESPONSES = "QuestionnaireResponse"
_NO_VALUE: Resource = {"_valueBoolean": {"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}}
"""Null is no value, with the reason that there is none (the convention of the CQL guide for Parameters)."""


def guidance_response(report: dict[str, Any], target: Target) -> Resource:
    """The GuidanceResponse of one report. Missing clinical data is no error: its status says that more is required."""
    trial = report["trial"]
    asked = _Asked()
    criteria = [_criterion(each, asked) for each in report["criteria"]]
    out = {"resourceType": "Parameters", "id": "out", "parameter": [*_summary(report), *criteria]}
    warnings = _warnings(report["warnings"])
    message = [{"reference": "#warnings"}]
    return pruned(
        {
            "resourceType": "GuidanceResponse",
            "id": _identity(report),
            "contained": [out, *warnings],
            **_module(trial, target),
            "status": _status(report),
            "subject": {"reference": report["patient"]},
            "occurrenceDateTime": report["asOf"],
            "evaluationMessage": (message[0] if target.is_r5 else message) if warnings else None,
            "outputParameters": {"reference": "#out"},
            "dataRequirement": asked.requirements(),
        }
    )


def collected(resources: Iterable[Resource]) -> Resource:
    """Resources in a collection Bundle, each under an address of its own."""
    entries = [
        {"fullUrl": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, each['id'])}", "resource": each} for each in resources
    ]
    return pruned({"resourceType": "Bundle", "type": "collection", "entry": entries})


def _identity(report: dict[str, Any]) -> str:
    """The same for the same answer; nothing of the patient can be read from it."""
    trial = report["trial"]
    parts = (trial["id"], str(trial["version"]), report["patient"], report["asOf"])
    return f"guidance-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:24]}"


def _module(trial: dict[str, Any], target: Target) -> Resource:
    if trial["version"] is None:
        # It came along with the request and is published nowhere.
        return {"moduleCodeableConcept": {"text": one_line(trial["title"] or trial["id"]) or "A trial sent along"}}
    return {"moduleCanonical": plan_canonical(trial["id"], trial["version"], target)}


def _status(report: dict[str, Any]) -> str:
    counts = report["counts"]
    if not counts["unknown"] and not counts["review"]:
        return "success"
    return "data-required" if report["overall"] == "undetermined" else "data-requested"


def _summary(report: dict[str, Any]) -> list[Resource]:
    trial, engine = report["trial"], report["engine"]
    named = [_text("id", fhir_id(trial["id"]) if trial["id"] else ""), _text("title", trial["title"])]
    if trial["version"] is not None:
        named.append({"name": "version", "valueInteger": trial["version"]})
    counts = [{"name": name, "valueInteger": count} for name, count in report["counts"].items()]
    made = [_text("version", engine["version"]), _text("knowledge", engine["knowledge"])]
    return [
        {"name": "overall", "valueCode": report["overall"]},
        _parts("study", named),
        {"name": "asOf", "valueDate": report["asOf"]},
        _parts("counts", counts),
        _parts("engine", made),
    ]


def _criterion(criterion: dict[str, Any], asked: _Asked) -> Resource:
    return _parts(
        "criterion",
        [
            _text("id", criterion["id"]),
            {"name": "type", "valueCode": criterion["kind"]},
            _text("text", criterion["text"]),
            _text("says", criterion["says"]),
            {"name": "status", "valueCode": criterion["status"]},
            *_verdict(criterion, asked),
            *([{"name": "passesFrom", "valueDate": criterion["passesFrom"]}] if criterion["passesFrom"] else []),
        ],
    )


def _verdict(verdict: dict[str, Any], asked: _Asked) -> list[Resource]:
    """What a criterion and each of its parts have alike."""
    return [
        {"name": "holds", **(_NO_VALUE if verdict["holds"] is None else {"valueBoolean": verdict["holds"]})},
        {"name": "basis", "valueCode": verdict["basis"]},
        _text("explanation", verdict["explanation"]),
        *(_evidence(each) for each in verdict["evidence"]),
        *(_missing(each, asked) for each in verdict["missing"]),
        *(_question(each, asked) for each in verdict["questions"]),
        *(_part(each, asked) for each in verdict["parts"]),
    ]


def _part(part: dict[str, Any], asked: _Asked) -> Resource:
    about = [_text("id", part["id"]), _text("text", part["text"]), _text("says", part["says"])]
    return _parts("part", [*about, *_verdict(part, asked)])


def _evidence(evidence: dict[str, Any]) -> Resource:
    when, code = evidence["effective"], evidence["code"]
    found: list[Resource] = [
        {"name": "reference", "valueReference": {"reference": evidence["reference"]}},
        {"name": "role", "valueCode": evidence["role"]},
        _text("path", evidence["path"]),
        _text("value", evidence["value"]),
        {"name": "effective", "valueDateTime": when} if _DATE_TIME.fullmatch(when) else _text("effective", when),
        {"name": "stale", "valueBoolean": evidence["stale"]},
    ]
    if code is not None:
        found += [{"name": "code", "valueCoding": _coding(code)}, _text("map", code.get("map", ""))]
    return _parts("evidence", found)


def _missing(missing: dict[str, Any], asked: _Asked) -> Resource:
    ident = asked.data(missing)
    return _parts("missing", [_text("requirement", ident), _text("text", missing["text"])])


def _question(question: dict[str, Any], asked: _Asked) -> Resource:
    asked.people = True
    return _parts("question", [_text("linkId", question["linkId"]), _text("text", question["text"])])


def _warnings(warnings: list[dict[str, str]]) -> list[Resource]:
    if not warnings:
        return []
    issues = [
        {
            "severity": "warning",
            "code": "business-rule",
            "details": {"text": one_line(each["code"])},
            "diagnostics": one_line(f"{each['reference']}: {each['text']}" if each["reference"] else each["text"]),
        }
        for each in warnings
    ]
    return [{"resourceType": "OperationOutcome", "id": "warnings", "issue": issues}]


@dataclass(slots=True)
class _Asked:
    """What is missing, each once, under the id that criteria cite."""

    found: dict[tuple[str, ...], Resource] = field(default_factory=dict)
    people: bool = False

    def data(self, missing: dict[str, Any]) -> str:
        """The id of the DataRequirement for a missing datum."""
        code, window = missing["code"], missing["window"] or ""
        key = (missing["type"], *((code["system"], code["code"]) if code else ("", missing["text"])), window)
        requirement = self.found.get(key)
        if requirement is None:
            requirement = self.found[key] = data_requirement(f"dr-{len(self.found) + 1}", missing)
        ident: str = requirement["id"]
        return ident

    def requirements(self) -> list[Resource]:
        """All of them; that people are asked is one more."""
        asked = [{"id": "dr-questions", "type": _RESPONSES}] if self.people else []
        return [*self.found.values(), *asked]


def data_requirement(ident: str, missing: dict[str, Any]) -> Resource:
    """A missing datum: type, code, and how recent it has to be."""
    kind, code = missing["type"], missing["code"]
    window = _WINDOW.fullmatch(missing["window"] or "")
    dated: list[Resource] = []
    if window and kind in _DATE_PATH:
        hours, hour, count, unit = window.groups()
        words, ucum = _UNITS[unit or hour]
        length = {"value": int(count or hours), "unit": words, "system": UCUM, "code": ucum}
        dated = [{"path": _DATE_PATH[kind], "valueDuration": length}]
    coded = [{"path": _CODE_PATH.get(kind, "code"), "code": [_coding(code)]}] if code else []
    return pruned({"id": ident, "type": kind, "codeFilter": coded, "dateFilter": dated})


def _coding(code: dict[str, str]) -> Resource:
    uri = code["system"] if re.fullmatch(r"\S+", code["system"]) else ""
    return pruned({"system": uri, "code": one_line(code["code"])})


def _text(name: str, value: str) -> Resource:
    said = plain(value)
    return {"name": name, "valueString": said} if said else {}


def _parts(name: str, parts: list[Resource]) -> Resource:
    return {"name": name, "part": [each for each in parts if each]}
