"""Laws of the codec: whatever nodes say, JSON says too, and nothing that is not criteria passes for them."""

from __future__ import annotations

import json
from decimal import Decimal
from enum import StrEnum
from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from app.criteria import nodes as n
from app.criteria.codec import NODES, CodecProblem, CodecProblems, broken_rule, decode, encode, slots_of
from app.criteria.schema import expression_schema
from app.criteria.time import Duration, TimeUnit

VALIDATOR = jsonschema.Draft202012Validator(expression_schema())


SIMPLE: dict[type, st.SearchStrategy[Any]] = {
    Duration: st.builds(Duration, st.integers(0, 500).map(Decimal), st.sampled_from(TimeUnit)),
    Decimal: st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=4),
    int: st.integers(0, 9),
    bool: st.booleans(),
    str: st.text(max_size=8),
}


def one(cls: type) -> st.SearchStrategy[Any]:
    """Values of one class of a field."""
    if cls in SIMPLE:
        return SIMPLE[cls]
    return st.sampled_from(cls) if issubclass(cls, StrEnum) else instances(cls)


def instances(cls: type) -> st.SearchStrategy[Any]:
    """Instances of a dataclass of the criteria that keep its rules."""
    fields = {}
    for slot in slots_of(cls):
        each = criteria if slot.types == NODES else st.one_of([one(kind) for kind in slot.types])
        every = st.lists(each, max_size=2).map(tuple) if slot.many else each
        fields[slot.name] = every if slot.required else st.one_of(st.just(slot.default), every)
    return st.builds(cls, **fields).filter(lambda made: broken_rule(made) is None)


def any_node() -> st.SearchStrategy[n.Criterion]:
    """Leaves more often than branches, so that trees end."""
    branches = [cls for cls in NODES if any(slot.types == NODES for slot in slots_of(cls))]
    leaves = [cls for cls in NODES if cls not in branches]
    return st.one_of([instances(cls) for cls in (*leaves, *branches)])


criteria: st.SearchStrategy[n.Criterion] = st.deferred(any_node)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda deep: st.lists(deep, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("kind"), deep, max_size=3),
    max_leaves=8,
)


def quotes(node: Any) -> list[Any]:
    """Every quote in a node, in order: they do not take part in `==`."""
    if isinstance(node, tuple):
        return [each for part in node for each in quotes(part)]
    if not hasattr(node, "__dataclass_fields__") or isinstance(node, Duration):
        return []
    own = [node.quote] if hasattr(node, "quote") else []
    cls: type = type(node)
    return own + [each for slot in slots_of(cls) for each in quotes(getattr(node, slot.name))]


@settings(max_examples=150, deadline=None)
@given(criteria)
def test_what_is_written_is_read_back_quotes_included(node: n.Criterion) -> None:
    again = decode(json.loads(json.dumps(encode(node))))

    assert again == node
    assert quotes(again) == quotes(node)
    assert encode(again) == encode(node)


@settings(max_examples=60, deadline=None)
@given(criteria)
def test_what_is_written_keeps_to_the_schema(node: n.Criterion) -> None:
    VALIDATOR.validate(encode(node))


@settings(max_examples=150, deadline=None)
@given(json_values)
def test_anything_else_is_refused_with_places_or_read(written: object) -> None:
    node, problems = tried(written)

    assert (node is None) == bool(problems)
    assert all(each.pointer == "" or each.pointer.startswith("/") for each in problems)
    if node is not None:
        assert decode(encode(node)) == node


@settings(max_examples=100, deadline=None)
@given(criteria, st.data())
def test_a_key_nobody_knows_is_never_passed_over(node: n.Criterion, data: st.DataObject) -> None:
    written = encode(node)
    objects = [written, *(each for each in walk(written) if isinstance(each, dict))]
    data.draw(st.sampled_from(objects))["unheard-of"] = 1

    assert any(each.pointer.endswith("/unheard-of") for each in tried(written)[1])


def tried(written: object) -> tuple[n.Criterion | None, tuple[CodecProblem, ...]]:
    """The node, or the problems."""
    try:
        return decode(written), ()
    except CodecProblems as refused:
        return None, refused.problems


def walk(value: Any) -> list[Any]:
    """Everything inside a JSON value."""
    inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [each for part in inside for each in (part, *walk(part))]
