"""What a criterion names and the catalogue does not have is told with its place and what is near to it."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app.criteria import nodes as n
from app.criteria.codec import encode, places
from app.knowledge.known import unknown_names
from app.knowledge.load import load_catalogue
from app.reader import read_study

TRIALS = Path(__file__).parents[2] / "app" / "demo" / "trials"


@cache
def catalogue():
    return load_catalogue()


def bound(value: str, unit: str) -> n.Bound:
    return n.Bound(n.Op.GE, n.Quantity(Decimal(value), unit))


@pytest.mark.parametrize(
    ("node", "pointer", "near"),
    [
        (n.HasCondition("hiv-infektion"), "/concept", "hiv"),
        (n.HasCondition("NSCLC"), "/concept", "lung"),
        (
            n.HasCondition("malignant-neoplasm", other_than=("soft-tissue-sarcoma", "soft-tissue-sarkoma")),
            "/otherThan/1",
            "soft-tissue-sarcoma",
        ),
        (n.HasCondition("hiv-infection", due_to="xyzzyx"), "/dueTo", "Nothing near"),
        (
            n.AllOf((n.SexIs(n.Sex.MALE), n.Not(n.Scored("ecogs", (n.ScoreBound(n.Op.LE, "1"),))))),
            "/parts/1/part/scale",
            "ecog",
        ),
        (n.Scored("ecog", (n.ScoreBound(n.Op.LE, "II"),)), "/bounds/0/value", "0, 1, 2"),
        (n.Measured("hemoglobine", (bound("9", "g/dL"),)), "/analyte", "haemoglobin"),
        (n.Measured("haemoglobin", (bound("9", "mm[Hg]"),)), "/bounds/0/limit/unit", "g/L"),
        (n.Measured("haemoglobin", (bound("9", "grams"),)), "/bounds/0/limit/unit", "UCUM"),
        (n.Measured("haemoglobin", (bound("9", "g/dL"),), formula="bmi"), "/formula", "has none"),
        (n.HadTreatment("hiv-infection"), "/concept", "kind condition"),
        (n.HasCondition("hiv-infection", excluding=(n.Except("nothing-of-it"),)), "/excluding/0/concept", "no concept"),
    ],
)
def test_what_is_unknown_is_told(node, pointer, near):
    (problem,) = unknown_names(node, catalogue())

    assert problem.pointer == pointer
    assert near in f"{problem.message} {problem.remedy}"


def test_what_the_reader_writes_is_known():
    studies = [read_study(json.loads(each.read_text()), catalogue()) for each in TRIALS.glob("*.json")]
    expressions = [each.expression for study in studies for each in study.criteria]

    assert len(expressions) > 100
    for each in expressions:
        assert list(unknown_names(each, catalogue())) == []


def test_what_is_read_of_the_reference_material_is_known(shared):
    files = (shared / "data" / "trials" / "ctgov-v2").glob("*.json")
    found = [read_study(json.loads(each.read_text()), catalogue()) for each in files]

    assert [
        (study.id, each.id, problem)
        for study in found
        for each in study.criteria
        for problem in unknown_names(each.expression, catalogue())
    ] == []


def test_places_are_where_the_codec_writes_them():
    excluding = (n.Except("melanoma", only=n.IsAlive()),)
    node = n.AnyOf((n.HasCondition("hiv-infection", excluding=excluding), n.Not(n.IsAlive())))
    written: Any = encode(node)
    for pointer, each in places(node):
        found: Any = written
        for key in pointer.split("/")[1:]:
            found = found[int(key)] if isinstance(found, list) else found[key]
        if "kind" in found:
            assert found == encode(each)
    assert [pointer for pointer, each in places(node) if isinstance(each, n.IsAlive)] == [
        "/parts/0/excluding/0/only",
        "/parts/1/part",
    ]
