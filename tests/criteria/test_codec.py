"""Criteria as JSON: the exact shape that people write, and what they are told when they write it wrong."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

from app.criteria import nodes as n
from app.criteria.codec import MAX_DEPTH, NODES, CodecProblems, decode, encode, kind_of, slots_of
from app.criteria.schema import expression_schema
from app.criteria.time import Duration, TimeUnit

SCHEMA = Path(__file__).parents[2] / "schemas" / "expression.schema.json"
FOUR_WEEKS = Duration(Decimal(4), TimeUnit.WEEK)
FOUR_WEEKS_JSON = {"count": "4", "unit": "week"}

SHAPES: list[tuple[n.Criterion, dict[str, Any]]] = [
    (n.IsAlive(), {"kind": "is-alive"}),
    (n.HasCondition("hiv"), {"kind": "has-condition", "concept": "hiv"}),
    (
        n.HasCondition("malignancy", n.EVER, other_than=("sarcoma",), quote=n.Quote("other malignancies", 3, 21)),
        {
            "kind": "has-condition",
            "concept": "malignancy",
            "when": {"timing": "ever"},
            "otherThan": ["sarcoma"],
            "quote": {"text": "other malignancies", "start": 3, "end": 21},
        },
    ),
    (
        n.HasCondition(
            "malignancy",
            n.When(n.Timing.WITHIN, Duration(Decimal(5), TimeUnit.YEAR), closed=False),
            excluding=(
                n.Except("basal-cell-carcinoma", n.State.CURED),
                n.Except("bladder-carcinoma", only=n.SexIs(n.Sex.MALE)),
            ),
        ),
        {
            "kind": "has-condition",
            "concept": "malignancy",
            "when": {"timing": "within", "duration": {"count": "5", "unit": "year"}, "closed": False},
            "excluding": [
                {"concept": "basal-cell-carcinoma", "state": "cured"},
                {"concept": "bladder-carcinoma", "only": {"kind": "sex-is", "sex": "male"}},
            ],
        },
    ),
    (
        n.AgeIs((n.AgeBound(n.Op.GE, Duration(Decimal(18), TimeUnit.YEAR)),)),
        {"kind": "age-is", "bounds": [{"op": ">=", "age": {"count": "18", "unit": "year"}}]},
    ),
    (
        n.Measured("pt", (n.Bound(n.Op.GT, n.NormalLimit(n.NormalEnd.UPPER, plus=n.Quantity(Decimal(4), "s"))),)),
        {
            "kind": "measured",
            "analyte": "pt",
            "bounds": [{"op": ">", "limit": {"end": "ULN", "plus": {"value": "4", "unit": "s"}}}],
        },
    ),
    (
        n.Measured(
            "alt",
            (n.Bound(n.Op.LE, n.NormalLimit(n.NormalEnd.UPPER, Decimal("2.50"))),),
            within=FOUR_WEEKS,
            pick=n.Pick.ANY,
        ),
        {
            "kind": "measured",
            "analyte": "alt",
            "bounds": [{"op": "<=", "limit": {"end": "ULN", "factor": "2.50"}}],
            "within": FOUR_WEEKS_JSON,
            "pick": "any",
        },
    ),
    (
        n.If(n.HasCondition("gilbert"), n.IsAlive(), n.Not(n.InStudy())),
        {
            "kind": "if",
            "condition": {"kind": "has-condition", "concept": "gilbert"},
            "then": {"kind": "is-alive"},
            "otherwise": {"kind": "not", "part": {"kind": "in-study"}},
        },
    ),
    (
        n.HadTreatment(
            "corticosteroid",
            n.When(n.Timing.WITHIN, FOUR_WEEKS),
            dose=n.Dose(n.Op.GT, n.Quantity(Decimal(10), "mg/d"), "prednisone"),
            not_routes=(n.Route.INHALED, n.Route.TOPICAL),
        ),
        {
            "kind": "had-treatment",
            "concept": "corticosteroid",
            "when": {"timing": "within", "duration": FOUR_WEEKS_JSON},
            "dose": {"op": ">", "perDay": {"value": "10", "unit": "mg/d"}, "equivalent": "prednisone"},
            "notRoutes": ["inhaled", "topical"],
        },
    ),
    (
        n.Elapsed(n.HadTreatment("targeted-therapy"), FOUR_WEEKS, half_lives=5),
        {
            "kind": "elapsed",
            "treatment": {"kind": "had-treatment", "concept": "targeted-therapy"},
            "atLeast": FOUR_WEEKS_JSON,
            "halfLives": 5,
        },
    ),
    (
        n.AtLeast(2, (n.IsAlive(), n.Judgement("Is it?"), n.Preference("Priority."))),
        {
            "kind": "at-least",
            "count": 2,
            "parts": [
                {"kind": "is-alive"},
                {"kind": "judgement", "question": "Is it?"},
                {"kind": "preference", "text": "Priority."},
            ],
        },
    ),
    (
        n.Scored("nyha", (n.ScoreBound(n.Op.GE, "II"),)),
        {"kind": "scored", "scale": "nyha", "bounds": [{"op": ">=", "value": "II"}]},
    ),
]


@pytest.mark.parametrize(("node", "written"), SHAPES, ids=[written["kind"] for _, written in SHAPES])
def test_a_node_is_written_so_and_read_back(node: n.Criterion, written: dict[str, Any]) -> None:
    assert encode(node) == written
    assert decode(json.loads(json.dumps(written))) == node


def test_the_quote_survives_though_it_does_not_count() -> None:
    node = n.Not(n.IsAlive(quote=n.Quote("alive", 4, 9)), quote=n.Quote("not alive", 0, 9))
    again = decode(encode(node))

    assert isinstance(again, n.Not)
    assert again.quote == node.quote
    assert again.part.quote == n.Quote("alive", 4, 9)


@pytest.mark.parametrize("written", [written for _, written in SHAPES])
def test_what_is_written_keeps_to_the_schema(written: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(expression_schema()).validate(written)


def test_every_node_of_the_union_has_its_kind() -> None:
    every = {each for group in (n.Logic, n.Fact, n.People) for each in get_args(group)}

    assert set(NODES) == every
    assert len({kind_of(each) for each in NODES}) == len(every)
    assert "nodes" not in {slot.key for each in NODES for slot in slots_of(each)}


@pytest.mark.freshness
def test_the_schema_file_is_fresh() -> None:
    """Write it again with `json.dumps(expression_schema(), indent=2, ensure_ascii=False)` and a line end."""
    assert SCHEMA.read_text() == json.dumps(expression_schema(), indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("written", "pointer", "message"),
    [
        (None, "", "A criterion is an object, not null."),
        ([], "", "A criterion is an object, not a list."),
        ({}, "", "The criterion has no kind."),
        ({"kind": "measurement"}, "/kind", "There is no kind 'measurement' here."),
        ({"kind": ["not"]}, "/kind", "There is no kind a list here."),
        ({"kind": "not"}, "", "not lacks 'part'."),
        ({"kind": "is-alive", "a/b~": 1}, "/a~1b~0", "is-alive has no key 'a/b~'."),
        ({"kind": "not", "part": {"kind": "not", "part": True}}, "/part/part", "A criterion is an object, not true."),
        ({"kind": "all-of", "parts": []}, "", "It has no parts."),
        ({"kind": "all-of", "parts": {"kind": "is-alive"}}, "/parts", "This is a list, not an object."),
        ({"kind": "at-least", "count": 2, "parts": [{"kind": "is-alive"}]}, "", "It asks for 2 of 1 parts."),
        ({"kind": "at-least", "count": True, "parts": [{"kind": "is-alive"}]}, "/count", "true is not a whole number."),
        ({"kind": "at-least", "count": 1.0, "parts": [{"kind": "is-alive"}]}, "/count", "1.0 is not a whole number."),
        ({"kind": "has-condition", "concept": 7}, "/concept", "7 is not text."),
        ({"kind": "has-condition", "concept": "x", "degree": None}, "/degree", "null is not text."),
        ({"kind": "has-condition", "concept": "x", "suspected": 1}, "/suspected", "1 is not true or false."),
        ({"kind": "in-study", "when": {"timing": "within"}}, "/when", "A window needs its duration."),
        (
            {"kind": "in-study", "when": {"timing": "ever", "duration": FOUR_WEEKS_JSON}},
            "/when",
            "Only a window has a duration, and this is 'ever'.",
        ),
        (
            {"kind": "in-study", "when": {"timing": "never"}},
            "/when/timing",
            "'never' is not one of the words for this.",
        ),
        ({"kind": "in-study", "when": "ever"}, "/when", "This is an object, not 'ever'."),
        (
            {"kind": "elapsed", "treatment": {"kind": "is-alive"}, "atLeast": FOUR_WEEKS_JSON},
            "/treatment/kind",
            "There is no kind 'is-alive' here.",
        ),
        ({"kind": "measured", "analyte": "x", "bounds": []}, "", "It has no bounds."),
    ],
)
def test_a_mistake_is_told_with_its_place(written: object, pointer: str, message: str) -> None:
    with pytest.raises(CodecProblems) as caught:
        decode(written)

    assert [(each.pointer, each.message) for each in caught.value.problems] == [(pointer, message)]
    assert all(each.remedy for each in caught.value.problems)


@pytest.mark.parametrize("value", ["1e5", "1.", ".5", "01", "+1", " 1", "1,5", "٣", "NaN", "", "1" * 31, 1.5, 1, True])
def test_a_number_that_is_not_exact_is_refused(value: object) -> None:
    limit = {"value": value, "unit": "g/L"}

    with pytest.raises(CodecProblems, match="is not a number in a string"):
        decode({"kind": "measured", "analyte": "x", "bounds": [{"op": "<", "limit": limit}]})


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), Decimal("1E+999999"), Decimal("1E-999999")])
def test_a_number_that_cannot_be_read_back_is_not_written(value: Decimal) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        encode(n.Measured("x", (n.Bound(n.Op.LT, n.Quantity(value, "1")),)))


def test_all_mistakes_are_told_in_order() -> None:
    written = {"kind": "any-of", "parts": [{"kind": "x"}, 3, {"kind": "sex-is", "sex": "m", "colour": "red"}]}

    with pytest.raises(CodecProblems) as caught:
        decode(written)

    assert [each.pointer for each in caught.value.problems] == [
        "/parts/0/kind",
        "/parts/1",
        "/parts/2/colour",
        "/parts/2/sex",
    ]
    assert "/parts/2/sex: 'm' is not one of the words for this. Use one of: 'female', 'male'." in str(caught.value)


def nested(depth: int) -> n.Criterion:
    node: n.Criterion = n.IsAlive()
    for each in range(depth - 1):
        node = n.Not(node) if each % 2 else n.AllOf((node,))
    return node


def test_deep_criteria_round_trip_up_to_the_limit() -> None:
    node = nested(MAX_DEPTH)

    assert decode(encode(node)) == node


def test_deeper_criteria_are_refused_both_ways() -> None:
    written: dict[str, Any] = {"kind": "is-alive"}
    for _ in range(5_000):
        written = {"kind": "all-of", "parts": [written]}

    with pytest.raises(CodecProblems, match="more than 200 objects deep"):
        decode(written)
    with pytest.raises(ValueError, match="more than 200 objects deep"):
        encode(nested(MAX_DEPTH + 1))
