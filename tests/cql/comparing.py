"""What both engines are asked: patients, criteria, and what each says; and where they may differ."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from app.emitters.cql import cql_library
from app.knowledge.load import load_catalogue
from app.reader import read_criteria_text, read_registration
from tests.cql.generated import patients
from tests.judging import judge
from tests.records import bundle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from app.emitters.cql import CqlLibrary
    from app.reader import ReadCriterion

SHARED = Path(os.environ.get("ELIGO_SHARED", Path(__file__).parents[3] / "shared"))
CASES = Path(__file__).parents[1] / "cases"
PATIENT = {"gender": "female", "birthDate": "1966-03-14"}
AS_OF = "2026-11-22"
_TYPES = ("Condition", "Procedure", "MedicationStatement", "Immunization", "AllergyIntolerance", "ResearchSubject")


@dataclass(frozen=True)
class Trial:
    """Criteria, and the library that was emitted of them."""

    name: str
    id: str
    criteria: tuple[ReadCriterion, ...]
    library: CqlLibrary


@dataclass(frozen=True)
class Asked:
    """A patient and the defines that are asked about; `holds` is what Eligo says."""

    name: str
    trial: Trial
    body: dict[str, Any]
    as_of: str
    complete: tuple[str, ...]
    absence: str
    holds: dict[str, bool | None] = field(default_factory=dict)

    def message(self, number: int) -> dict[str, Any]:
        """For the engine: the records of the patient's context, as a retrieve would find them."""
        return {
            "case": number,
            "library": self.trial.name,
            "bundle": of_the_patient(self.body),
            "asOf": self.as_of,
            "parameters": {"Complete": list(self.complete), "Absence": self.absence},
            "defines": list(self.holds),
        }


def emitted(name: str, id_: str, criteria: Iterable[ReadCriterion]) -> Trial:
    """A trial with its library."""
    found = tuple(criteria)
    return Trial(name, id_, found, cql_library(name, "1", found, load_catalogue()))


def asked(
    name: str,
    trial: Trial,
    body: dict[str, Any],
    only: frozenset[str] | None = None,
    *,
    as_of: str = AS_OF,
    complete: Iterable[str] = (),
    absence: str = "default",
) -> Asked:
    """The question, with Eligo's answers to it: those of the criteria, and of their parts."""
    body = json.loads(json.dumps(body, default=str))
    chosen = [each for each in trial.criteria if only is None or each.id in only]
    report = judge(
        chosen, json.dumps(body).encode(), as_of=date.fromisoformat(as_of), complete=frozenset(complete),
        absence=absence, trial_id=trial.id,
    )  # fmt: skip
    holds = dict(_holds(report["criteria"]))
    return Asked(name, trial, body, as_of, tuple(sorted(complete)), absence, holds)


def _holds(verdicts: Iterable[dict[str, Any]]) -> Iterator[tuple[str, bool | None]]:
    for each in verdicts:
        yield each["id"], each["holds"]
        yield from _holds(each["parts"])


def of_the_patient(body: dict[str, Any]) -> dict[str, Any]:
    """The Patient, what is about the Patient, and what is about nobody in particular (Medication, ResearchStudy)."""
    entries = body.get("entry", [])
    patient = next(each for each in entries if each["resource"]["resourceType"] == "Patient")
    id_ = patient["resource"].get("id", "")
    names = {f"Patient/{id_}", f"urn:uuid:{id_}", patient.get("fullUrl")}

    def is_his(resource: dict[str, Any]) -> bool:
        whom = resource.get("subject") or resource.get("patient") or resource.get("individual")
        if resource["resourceType"] in {"Patient", "Medication", "ResearchStudy"}:
            return True
        return isinstance(whom, dict) and (whom.get("reference") or "") in names

    kept = [each for each in entries if is_his(each["resource"])]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each["resource"]} for each in kept]}


# -- the cases --------------------------------------------------------------------------------------------------------


@cache
def trial_of(stem: str) -> Trial:
    """A registration of the reference material."""
    registration = read_registration((SHARED / "trials" / f"{stem}.txt").read_text(), load_catalogue())
    return emitted(stem.replace("-", "_"), registration.id or "TRIAL", registration.criteria)


def verdict_cases() -> list[Asked]:
    """tests/cases/verdicts: all lines are one trial."""
    cases = [each for file in sorted((CASES / "verdicts").glob("*.yaml")) for each in yaml.safe_load(file.read_text())]
    lines = {(each["side"], each["line"]): None for each in cases}
    read: dict[tuple[str, str], ReadCriterion] = {}
    for place, (side, line) in enumerate(lines, 1):
        (one,) = read_criteria_text(f"{side.capitalize()} Criteria:\n- {line}\n", load_catalogue())
        read[side, line] = replace(one, id=f"L{place}")
    trial = emitted("Lines", "TRIAL", read.values())
    return [
        asked(
            case["name"], trial, bundle(case.get("patient", PATIENT), case["records"]),
            frozenset({read[case["side"], case["line"]].id}), as_of=case.get("asOf", AS_OF),
            complete=case.get("complete", []), absence=case.get("absence", "default"),
        )
        for case in cases
    ]  # fmt: skip


def registration_cases(stems: Sequence[str], every: int = 1) -> list[Asked]:
    """tests/cases/registrations for these registrations; of so many cases one."""
    found: list[Asked] = []
    for file in sorted((CASES / "registrations").glob("*.yaml")):
        if file.stem not in stems:
            continue
        for case in (yaml.safe_load(file.read_text()) or [])[::every]:
            records = [each for one in case.get("records", []) for each in (one if isinstance(one, list) else [one])]
            found.append(
                asked(
                    f"{file.stem}: {case['name']}", trial_of(file.stem), bundle(case.get("patient", PATIENT), records),
                    frozenset({case["criterion"]}), as_of=str(case.get("asOf", AS_OF)),
                    complete=case.get("complete", []), absence=case.get("absence", "default"),
                )
            )  # fmt: skip
    return found


def sample_cases(stems: Sequence[str]) -> list[Asked]:
    """The sample patients of the reference material that are for these registrations."""
    found = []
    for file in sorted((SHARED / "cases").glob("*.json")):
        data = json.loads(file.read_text())
        if Path(data["source"]).stem not in stems:
            continue
        trial = trial_of(Path(data["source"]).stem)
        for case in data["cases"]:
            entries = [{"resource": each} for each in case["resources"]]
            found.append(
                asked(
                    case["id"], trial, {"resourceType": "Bundle", "type": "collection", "entry": entries},
                    as_of=case["asOf"], complete=case.get("complete") or (),
                )
            )  # fmt: skip
    return found


def generated_patients(stems: Sequence[str], count: int = 12) -> list[Asked]:
    """So many made patients for each of these registrations; of every second one all types are complete."""
    found = []
    trials = [trial_of(each) for each in stems]
    for seed, trial in enumerate(trials, 1):
        made = patients([each.expression for each in trial.criteria], load_catalogue(), count, seed)
        for number, (name, body) in enumerate(made):
            found.append(asked(f"{trial.name} {name}", trial, body, complete=_TYPES if number % 2 else ()))
    return found
