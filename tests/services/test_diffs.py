"""Two versions side by side: which criterion is which, and what happened to it."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.criteria import nodes as n
from app.criteria.codec import encode
from app.knowledge.load import load_catalogue
from app.services.diffs import diff, pair


@cache
def catalogue():
    return load_catalogue()


def criterion(
    name: str, text: str, node: n.Criterion | None = None, *, span: tuple[int, int] = (1, 2)
) -> dict[str, Any]:
    kind = "exclusion" if name.startswith("E") else "inclusion"
    expression = encode(node if node is not None else n.Judgement(text))
    return {
        "id": name,
        "kind": kind,
        "number": "",
        "text": text,
        "span": span,
        "reading": "judgement",
        "says": text,
        "expression": expression,
        "notes": [],
    }


def changes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """What is told, as (id before or after, changes ...)."""
    found = told(before, after)
    return [((each["before"] or each["after"])["id"], *each["changes"]) for each in found["criteria"]]


def told(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> dict[str, Any]:
    fields = {"id": "T", "title": "A", "status": "recruiting", "phase": "", "conditions": ["Sarcoma"]}
    old, new = (json.dumps({**fields, "criteria": each}) for each in (before, after))
    found: dict[str, Any] = json.loads(diff(old, new, (1, 2), catalogue()))
    return found


def test_a_criterion_that_changes_places_is_moved_and_those_it_passes_are_not():
    a, b, c, d = (criterion(f"I{k}", f"{word} only") for k, word in enumerate(("alpha", "beta", "gamma", "delta"), 1))

    assert changes([a, b, c, d], [b, c, d, a]) == [("I1", "moved")]
    assert changes([a, b, c, d], [a, b, c]) == [("I4", "dropped")]
    assert changes([a, b, c], [d, a, b, c]) == [("I4", "added")]


def test_a_criterion_that_changes_its_side_is_moved_and_affects_verdicts():
    found = told([criterion("I1", "HIV infection")], [criterion("E1", "HIV infection")])

    assert [(each["changes"], each["affectsVerdicts"]) for each in found["criteria"]] == [(["moved"], True)]
    assert [found["criteria"][0][side]["kind"] for side in ("before", "after")] == ["inclusion", "exclusion"]


def test_white_space_and_quotes_are_no_change():
    before = criterion("I1", "HIV  infection", n.HasCondition("hiv-infection", quote=n.Quote("HIV", 0, 3)))
    after = criterion("I1", "HIV infection", n.HasCondition("hiv-infection", quote=n.Quote("HIV", 9, 12)))

    assert changes([before], [after]) == []


def test_words_that_change_without_the_reading_affect_no_verdict():
    node = n.HasCondition("hiv-infection")
    found = told([criterion("E1", "Known HIV infection", node)], [criterion("E1", "Known HIV infections", node)])

    assert [(each["changes"], each["affectsVerdicts"]) for each in found["criteria"]] == [(["reworded"], False)]
    assert found["criteria"][0]["parts"] == []


def test_a_field_of_the_registration_is_the_same_criterion_whatever_it_says():
    before = criterion("age", "Minimum age: 18 years", span=(0, 0))
    after = criterion("age", "Maximum age: 75 months", span=(0, 0))

    assert changes([before], [after]) == [("age", "reworded")]


def test_parts_of_a_compound_are_told_by_what_they_are_about():
    hiv, pregnant = n.HasCondition("hiv-infection"), n.ReproductiveIs(n.Reproductive.PREGNANT)
    before = criterion("E1", "HIV or syphilis, pregnancy", n.AnyOf((hiv, n.HasCondition("osteosarcoma"), pregnant)))
    after = criterion("E1", "HIV ever or pregnancy", n.AnyOf((n.HasCondition("hiv-infection", n.EVER), pregnant)))
    (change,) = told([before], [after])["criteria"]

    assert len(change["parts"]) == 2
    assert change["parts"][0]["before"] != change["parts"][0]["after"]
    assert all("HIV" in change["parts"][0][side] for side in ("before", "after"))
    assert change["parts"][1]["after"] is None


def test_fields_that_changed_are_told():
    fields = {"id": "T", "title": "A", "status": "recruiting", "phase": "", "conditions": ["Sarcoma"], "criteria": []}
    found = json.loads(diff(json.dumps(fields), json.dumps({**fields, "status": "completed"}), (1, 2), catalogue()))

    assert found["fields"] == [{"field": "status", "before": "recruiting", "after": "completed"}]


words = st.lists(st.sampled_from(["age", "over", "18", "no", "HIV", "study"]), max_size=6).map(" ".join)
lists = st.lists(st.tuples(st.sampled_from(["I", "E"]), words), max_size=8).map(
    lambda given: [criterion(f"{side}{k}", text) for k, (side, text) in enumerate(given)]
)


@given(lists, lists)
def test_every_criterion_is_in_exactly_one_pair(before, after):
    pairs = pair(before, after)

    assert sorted(each["id"] for old, _, _ in pairs if (each := old)) == sorted(each["id"] for each in before)
    assert [new for _, new, _ in pairs if new is not None] == after
    assert all(old is not None or new is not None for old, new, _ in pairs)


@given(lists)
def test_nothing_changes_from_a_version_to_itself(criteria):
    found = told(criteria, criteria)

    assert found["criteria"] == []
    assert found["counts"]["unchanged"] == len(criteria)


@given(lists, lists)
def test_what_is_added_one_way_is_dropped_the_other(before, after):
    one, other = told(before, after)["counts"], told(after, before)["counts"]

    assert (one["added"], one["dropped"]) == (other["dropped"], other["added"])
