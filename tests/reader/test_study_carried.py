"""What Eligo writes into a Group it reads back as it was; what was changed since is read anew, from its words."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from typing import Any

import orjson
import pytest

from app.demo import load_demo_patients
from app.emitters.fhir import FhirVersion
from app.emitters.package import package
from app.services import core
from app.services.options import Options
from app.services.reading import read_trial
from tests.emitters.trials import catalogue, published_file, registrations, target

FHIR = "application/fhir+json"


@cache
def desk() -> core.Desk:
    return core.Desk(catalogue())


def document_of(content: Any) -> dict[str, Any]:
    read = read_trial(FHIR, json.dumps(content), None, catalogue())
    document: dict[str, Any] = orjson.loads(read.document)
    return document


@pytest.mark.parametrize("version", list(FhirVersion))
def test_packages_are_read_back_and_judge_alike(shared, version):
    """Criteria and, for every demonstration patient, reports are the same to the byte."""
    judged = 0
    for path in registrations(shared):
        media_type = "application/json" if path.suffix == ".json" else "text/plain"
        first = orjson.loads(read_trial(media_type, path.read_text(), None, catalogue()).document)
        again = document_of(package(published_file(path), target(version)))

        assert again["criteria"] == first["criteria"], path.name
        assert (again["id"], again["text"]) == (first["id"], first["text"])
        if path.suffix == ".txt":
            before, after = (core.ready_trial(desk(), 1, orjson.dumps(each).decode()) for each in (first, again))
            for bundle in [each.content for each in load_demo_patients()]:
                options = Options(date(2026, 11, 22))
                assert core.judge(before, bundle, options, desk()) == core.judge(after, bundle, options, desk())
                judged += 1
    assert judged >= 50


@pytest.fixture
def bundle(shared) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(package(published_file(shared / "trials/NCT03619954.txt"), target())))
    return made


def group_of(bundle: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(
        each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "Group"
    )
    return found


def ranged(group: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in group["characteristic"] if "valueRange" in each)
    return found


def change_value(group: dict[str, Any]) -> None:
    ranged(group)["valueRange"]["low"]["value"] += 1


def change_words(group: dict[str, Any]) -> None:
    ranged(group)["extension"][0]["valueMarkdown"] += " or so"


def change_side(group: dict[str, Any]) -> None:
    ranged(group)["exclude"] = True


def change_child(group: dict[str, Any]) -> None:
    group["contained"][0]["extension"][0]["valueCode"] = "all-of"
    group["contained"][0]["characteristic"].pop()


def change_expression(group: dict[str, Any]) -> None:
    carried = ranged(group)["extension"][-1]
    carried["valueString"] = carried["valueString"].replace('"18"', '"21"').replace('"0"', '"2"')


def add_one(group: dict[str, Any]) -> None:
    group["characteristic"].append({"code": {"text": "Blue eyes"}, "valueBoolean": True, "exclude": False})


def take_one(group: dict[str, Any]) -> None:
    group["characteristic"].pop(1)


def break_json(group: dict[str, Any]) -> None:
    ranged(group)["extension"][-1]["valueString"] = "{"


def lose_text(group: dict[str, Any]) -> None:
    group["extension"] = [each for each in group["extension"] if not each["url"].endswith("eligo-source-text")]


@pytest.mark.parametrize(
    "change",
    [
        change_value,
        change_words,
        change_side,
        change_child,
        change_expression,
        add_one,
        take_one,
        break_json,
        lose_text,
    ],
)
def test_what_was_changed_is_read_from_its_words(bundle, change):
    """The expression that came along is never used beside words or values that it may not belong to."""
    before = document_of(bundle)
    assert not before["notes"] or "is not used" not in before["notes"][0]
    change(group_of(bundle))
    after = document_of(bundle)

    assert "is not used" in after["notes"][0]
    assert after["text"] != before["text"]
    for each in after["criteria"]:
        start, end = each["span"]
        assert after["text"][start:end] == each["text"]


def test_added_words_are_read(bundle):
    add_one(group_of(bundle))

    assert "Blue eyes" in [each["text"] for each in document_of(bundle)["criteria"]]


def test_a_name_that_is_not_known_here_is_not_taken_over(bundle):
    """The criteria of a newer catalogue: what it names cannot be judged here, and its words can be read."""
    group = group_of(bundle)
    text = json.dumps(group)
    assert "hepatitis-b" in text
    group.update(json.loads(text.replace("hepatitis-b", "hepatitis-zz")))

    assert "is not used" in document_of(bundle)["notes"][0]


def test_a_trial_without_a_number_keeps_its_name(shared):
    made = package(published_file(shared / "trials/cord-blood-nk-soft-tissue-sarcoma.txt"), target())

    assert document_of(made)["id"] == published_file(shared / "trials/cord-blood-nk-soft-tissue-sarcoma.txt").id
