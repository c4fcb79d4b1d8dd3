"""The JSON Schema of criteria, made from the nodes: the same shape that `codec.py` reads and writes.

`schemas/expression.schema.json` is this, written out for people and editors; a test holds the two together.
"""

from __future__ import annotations

import inspect
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from app.criteria import nodes
from app.criteria.codec import DECIMAL, NODES, Shape, kind_of, slots_of
from app.criteria.record import RegistrationRecord

if TYPE_CHECKING:
    from app.criteria.codec import Slot

_ID = "urn:eligo:schema:expression"
_MANY_REQUIRED = {
    (nodes.AllOf, "parts"),
    (nodes.AnyOf, "parts"),
    (nodes.AtLeast, "parts"),
    (nodes.AgeIs, "bounds"),
    (nodes.Measured, "bounds"),
    (nodes.Scored, "bounds"),
}
_NUMBERS = {
    (nodes.AtLeast, "count"): 1,
    (nodes.Elapsed, "half_lives"): 1,
    (nodes.Quote, "start"): 0,
    (nodes.Quote, "end"): 0,
}
"""The least that a whole number may be."""
_DECIMAL = {
    "description": "An exact number, written as text so that nothing rounds it.",
    "type": "string",
    "pattern": f"^{DECIMAL.pattern}$",
}


def expression_schema() -> dict[str, Any]:
    """The schema (2020-12) of one criterion. What it cannot say (a window needs a duration) only `decode` checks."""
    defs: dict[str, Any] = {
        "criterion": {
            "description": "Any node; its kind says which.",
            "type": "object",
            "required": ["kind"],
            "oneOf": [_ref(cls) for cls in NODES],
        },
        "decimal": _DECIMAL,
    }
    waiting = list(NODES)
    while waiting:
        cls = waiting.pop(0)
        if kind_of(cls) not in defs:
            defs[kind_of(cls)] = _object(cls)
            waiting += [each for slot in slots_of(cls) if slot.shape is not Shape.LEAF for each in slot.types]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _ID,
        "title": "Criterion",
        "description": "What a criterion asks, as a tree of nodes. Keys that have their default are left out.",
        "$ref": "#/$defs/criterion",
        "$defs": dict(sorted(defs.items())),
    }


def record_schema() -> dict[str, Any]:
    """The schema (2020-12) of a registration record."""
    defs: dict[str, Any] = {"decimal": _DECIMAL}
    waiting: list[type] = [RegistrationRecord]
    while waiting:
        cls = waiting.pop(0)
        if kind_of(cls) not in defs:
            defs[kind_of(cls)] = _object(cls)
            waiting += [each for slot in slots_of(cls) if slot.shape is not Shape.LEAF for each in slot.types]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:eligo:schema:registration",
        "title": "RegistrationRecord",
        "description": "What a register says of a trial besides its criteria. Keys with their default are left out.",
        "$ref": _ref(RegistrationRecord)["$ref"],
        "$defs": dict(sorted(defs.items())),
    }


def _object(cls: type) -> dict[str, Any]:
    properties: dict[str, Any] = {"kind": {"const": kind_of(cls)}} if cls in NODES else {}
    properties |= {slot.key: _property(cls, slot) for slot in slots_of(cls)}
    return {
        "description": (inspect.getdoc(cls) or "").partition("\n\n")[0].replace("\n", " "),
        "type": "object",
        "properties": properties,
        "required": [*(["kind"] if cls in NODES else []), *(slot.key for slot in slots_of(cls) if slot.required)],
        "additionalProperties": False,
    }


def _property(cls: type, slot: Slot) -> dict[str, Any]:
    one = _leaf(slot.types[0]) if slot.shape is Shape.LEAF else _objects(slot.types)
    if (cls, slot.name) in _NUMBERS:
        one["minimum"] = _NUMBERS[cls, slot.name]
    if not slot.many:
        return one
    return {"type": "array", "items": one} | ({"minItems": 1} if (cls, slot.name) in _MANY_REQUIRED else {})


def _objects(classes: tuple[type, ...]) -> dict[str, Any]:
    if classes == NODES:
        return {"$ref": "#/$defs/criterion"}
    return _ref(classes[0]) if len(classes) == 1 else {"oneOf": [_ref(cls) for cls in classes]}


def _ref(cls: type) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{kind_of(cls)}"}


def _leaf(cls: type) -> dict[str, Any]:
    if issubclass(cls, StrEnum):
        return {"enum": [each.value for each in cls]}
    if cls is bool:
        return {"type": "boolean"}
    if cls is int:
        return {"type": "integer"}
    return {"type": "string"} if cls is str else {"$ref": "#/$defs/decimal"}
