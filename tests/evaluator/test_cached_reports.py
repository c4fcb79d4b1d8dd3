"""What a process remembers from patient to patient changes no byte of any report."""

from __future__ import annotations

import itertools
import json
import random
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from app.criteria.time import Duration, TimeUnit
from app.errors import EligoError
from app.evaluator.case import Memory
from app.evaluator.evaluate import Judge
from app.evaluator.report import evaluate_trial, to_json
from app.evaluator.settings import EvaluationSettings
from app.knowledge.load import load_catalogue
from app.reader import read_registration, read_study
from app.services import core
from app.services.options import Options
from benchmarks.records import life, visit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).parents[2]
LOCAL = "urn:example:local"
OPTIONS = (
    Options(as_of=date(2026, 11, 22)),
    Options(as_of=date(2026, 11, 22), absence="open"),
    Options(as_of=date(2021, 2, 28), absence="closed"),
    Options(as_of=date(2019, 6, 1), complete=frozenset({"Condition", "ServiceRequest", "ResearchSubject"})),
    Options(as_of=date(2026, 11, 22), max_age=Duration(Decimal(30), TimeUnit.DAY)),
)


@lru_cache(maxsize=1)
def _studies() -> tuple[Any, ...]:
    studies = sorted((HERE / "app" / "demo" / "trials").glob("*.json"))
    return tuple(read_study(json.loads(each.read_text()), load_catalogue()) for each in studies)


def _desk(registrations: Sequence[Any], *, remembers: bool) -> tuple[core.Desk, list[core.ReadyTrial]]:
    desk = core.Desk(load_catalogue())
    desk.memory = Memory(desk.catalogue, remembers=remembers)
    trials = [
        desk.ready(each.id or f"T{place}", place or None, each.title, each.status, each.criteria)
        for place, each in enumerate(registrations)
    ]
    return desk, trials


def _plain(trials: list[core.ReadyTrial], body: bytes, options: Options, desk: core.Desk) -> list[bytes]:
    """One report a trial, each criterion judged by itself and written from its verdict."""
    chart = core.open_chart(body, options, desk)
    found = []
    for trial in trials:
        settings = EvaluationSettings(
            as_of=options.as_of,
            max_age=options.max_age,
            trial_ids=frozenset({trial.compiled.id}),
        )
        report = to_json(
            evaluate_trial(trial.compiled, Judge(chart, desk.catalogue, settings, desk.memory), desk.engine)
        )
        if not trial.is_stored:
            report["trial"]["version"] = None
        found.append(orjson.dumps(report))
    return found


def _differences(registrations: Sequence[Any], bodies: dict[str, bytes], options: Sequence[Options]) -> list[str]:
    """The patients whose reports are not the same. The desk that remembers sees them forwards, then backwards."""
    desk, trials = _desk(registrations, remembers=True)
    bare, anew = _desk(registrations, remembers=False)
    wrong = []
    expected: dict[tuple[str, int], list[bytes] | str] = {}
    for (name, body), (place, each) in itertools.product(bodies.items(), enumerate(options)):
        expected[name, place] = _or_error(lambda: _plain(anew, body, each, bare))  # noqa: B023 - called at once
    for name, place in (*expected, *reversed(expected)):
        found = _or_error(lambda: core.judge_each(trials, bodies[name], options[place], desk))  # noqa: B023
        if found != expected[name, place]:
            wrong.append(f"{name}, options {place}")
    return wrong


def _or_error(make: Any) -> Any:
    try:
        return make()
    except EligoError as error:
        return str(error)


def _spoilt(seed: int) -> bytes:
    """A record in which codes are unknown, in words only or broken, and studies, plans and consents stand."""
    chance = random.Random(seed)
    bundle = json.loads(visit(seed))
    for entry in bundle["entry"][1:]:
        resource = entry["resource"]
        name = "medicationCodeableConcept" if "medicationCodeableConcept" in resource else "code"
        match chance.randrange(6):
            case 0 if name in resource:
                resource[name] = {"text": chance.choice(["Breast cancer", "asthma", "CT scan", "hepatitis B", "ALT"])}
            case 1 if name in resource:
                resource[name]["coding"][0] |= {"system": LOCAL, "code": "x"}
            case 2 if name in resource:
                resource[name] = {"coding": "broken"}
            case 3:
                resource["status"] = chance.choice(["entered-in-error", "not-done", "active"])
            case _:
                pass
    subject = {"subject": bundle["entry"][1]["resource"]["subject"]}
    more: list[dict[str, Any]] = [
        {"resourceType": "ResearchSubject", "status": "on-study", "individual": subject["subject"]},
        {"resourceType": "Consent", "status": "active", "patient": subject["subject"]},
        {
            "resourceType": "ServiceRequest",
            "status": "active",
            "intent": "order",
            "code": {"text": "surgery"},
            **subject,
        },
        {"resourceType": "AllergyIntolerance", "patient": subject["subject"], "code": {"coding": 7}},
        {"resourceType": "Immunization", "status": "completed", "patient": subject["subject"], "vaccineCode": {}},
    ]
    chosen = chance.sample(more, chance.randrange(len(more)))
    bundle["entry"] += [{"resource": {"id": f"n{place}", **each}} for place, each in enumerate(chosen)]
    return json.dumps(bundle).encode()


def test_generated_patients_have_the_reports_of_a_fresh_process():
    """Every patient under every kind of absence and several days, in both orders."""
    bodies = {f"visit {seed}": visit(seed) for seed in range(3)}
    bodies |= {f"spoilt {seed}": _spoilt(seed) for seed in range(14)}
    bodies["life"] = life(150, seed=5)
    alone = {"resource": {"resourceType": "Patient", "id": "p"}}
    bodies["nobody"] = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [alone]}).encode()

    assert _differences(_studies(), bodies, OPTIONS) == []


def test_patients_of_the_demonstration_have_the_reports_of_a_fresh_process():
    """They are written to meet many rules."""
    patients = sorted((HERE / "app" / "demo" / "patients").glob("*.json"))

    assert _differences(_studies(), {each.stem: each.read_bytes() for each in patients}, OPTIONS) == []


def test_sample_patients_have_the_reports_of_a_fresh_process(shared):
    """Whole lives, oncology profiles and broken files, under the registrations."""
    registrations = [
        read_registration(each.read_text(), load_catalogue()) for each in sorted((shared / "trials").glob("*.txt"))
    ]
    files = [each for part in ("patients", "malformed") for each in sorted((shared / "data" / part).rglob("*.json"))]
    bodies = {str(each.relative_to(shared)): each.read_bytes() for each in files}

    assert _differences(registrations, bodies, OPTIONS[::3]) == []


def test_summaries_are_those_of_a_fresh_process():
    """Trials sorted and counted, with and without studies in the record."""
    desk, trials = _desk(_studies(), remembers=True)
    bare, anew = _desk(_studies(), remembers=False)
    for body in (*map(visit, range(3)), *map(_spoilt, range(14))):
        found = core.judge_all(trials, body, OPTIONS[0], None, desk)
        assert found == core.judge_all(anew, body, OPTIONS[0], None, bare)
        first = core.judge_all(trials, body, OPTIONS[0], 1, desk)
        assert orjson.loads(first)["results"] == orjson.loads(found)["results"][:1]


def _questions() -> Iterator[str]:
    yield from ("\x01", "\\u0001", "“quotes” and \\ and é")


@pytest.mark.parametrize("text", list(_questions()))
def test_words_of_a_trial_may_hold_anything(text):
    """A mark in the words of a criterion is not taken for the place of a note."""
    given = [{"kind": "exclusion", "text": text, "expression": {"kind": "has-condition", "concept": "asthma"}}]
    body = orjson.dumps({"trial": {"id": "T", "title": text, "criteria": given}, "bundle": orjson.loads(visit())})
    desk, bare = core.Desk(load_catalogue()), core.Desk(load_catalogue())
    bare.memory = Memory(bare.catalogue, remembers=False)

    for _ in range(2):
        assert core.judge_inline(body, OPTIONS[2], desk) == core.judge_inline(body, OPTIONS[2], bare)
