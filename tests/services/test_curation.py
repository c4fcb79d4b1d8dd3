"""What becomes of a person's readings when a registration is read anew."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from app.criteria.codec import CodecProblems
from app.knowledge.load import load_catalogue
from app.services.curation import carry, correct, is_corrected
from app.services.reading import read_trial

PREGNANT = {"kind": "reproductive-is", "state": "pregnant", "quote": {"text": "gizmo", "start": 22, "end": 27}}


@cache
def catalogue():
    return load_catalogue()


def read(*lines: str) -> str:
    return read_trial("text/plain", "Inclusion Criteria:\n- " + "\n- ".join(lines), "NCT1", catalogue()).document


def corrected(document: str, *names: str) -> str:
    body = json.dumps({"criteria": [{"id": name, "expression": PREGNANT} for name in names]})
    found = correct(document, body, catalogue())
    assert found is not None
    return found


def criteria(document: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(document)["criteria"]
    return found


def reviewed(document: str) -> list[str]:
    return [each["text"] for each in criteria(document) if each.get("reviewed")]


def test_readings_go_with_their_words_and_quotes_with_their_place():
    before = corrected(read("The gizmo", "HIV infection"), "I1")
    found = carry(before, 2, read("HIV infection", "The gizmo"))

    assert reviewed(found.document) == ["The gizmo"]
    assert not found.is_same
    moved = criteria(found.document)[1]
    shift = moved["span"][0] - criteria(before)[0]["span"][0]
    assert moved["expression"]["quote"] == {"text": "gizmo", "start": 22 + shift, "end": 27 + shift}


def test_quotes_are_left_out_where_white_space_has_changed():
    found = carry(corrected(read("The gizmo of it"), "I1"), 2, read("The gizmo  of it"))

    assert reviewed(found.document) == ["The gizmo  of it"]
    assert "quote" not in criteria(found.document)[0]["expression"]
    assert found.is_same


def test_of_the_same_words_twice_one_gone_neither_is_certain():
    twice = read("The gizmo", "HIV infection", "The gizmo")
    once = read("The gizmo", "HIV infection")

    assert reviewed(carry(corrected(twice, "I1"), 2, once).document) == []
    assert reviewed(carry(corrected(twice, "I3"), 2, twice).document) == ["The gizmo"]


def test_reading_the_same_again_changes_nothing_but_to_say_so_once():
    before = corrected(read("The gizmo", "HIV infection"), "I1")
    again = carry(before, 2, read("The gizmo", "HIV infection"))
    once_more = carry(again.document, 3, read("The gizmo", "HIV infection"))

    assert again.is_same
    assert once_more.document == again.document
    assert criteria(again.document)[0]["notes"][-1].startswith("A person's reading is kept from version 2")


def test_a_criterion_is_the_person_s_only_where_they_gave_or_confirmed_it():
    document = read("HIV infection", "The gizmo")
    as_it_is = {key: value for key, value in criteria(document)[0]["expression"].items() if key != "quote"}
    confirmed = correct(document, json.dumps({"criteria": [{"id": "I1", "expression": as_it_is}]}), catalogue())

    assert not is_corrected(document)
    assert confirmed is not None
    assert is_corrected(confirmed)
    assert reviewed(confirmed) == ["HIV infection"]
    # The quotes of the reading stay: nothing was corrected but that a person has looked.
    assert criteria(confirmed)[0]["expression"] == criteria(document)[0]["expression"]
    assert criteria(confirmed)[0]["notes"] == criteria(document)[0]["notes"]


def test_no_more_is_told_at_once_than_a_person_can_read():
    unknown = {"kind": "any-of", "parts": [{"kind": "has-condition", "concept": f"nothing-{n}"} for n in range(150)]}
    body = json.dumps({"criteria": [{"id": "I1", "expression": unknown}, {"id": "I2", "expression": {}}]})
    with pytest.raises(CodecProblems) as refusal:
        correct(read("HIV infection", "The gizmo"), body, catalogue())

    assert len(refusal.value.problems) == 100
