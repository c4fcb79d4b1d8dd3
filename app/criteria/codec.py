"""Criteria as JSON and back: one tagged object a node, read by the types that the nodes themselves declare.

A node is `{"kind": "has-condition", ...}`: the class name in kebab-case, and the fields' names in camelCase.
What has its default is left out. Decimals are strings, so that no reader of JSON rounds them; tuples are arrays.
`decode(encode(node)) == node` for every node, quotes included. The schema of the same shape is made by `schema.py`.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from dataclasses import MISSING, dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from app.criteria import nodes
from app.criteria.nodes import Criterion
from app.criteria.time import Duration
from app.errors import EligoError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 200
"""How many objects may stand inside one another. Real criteria stay below ten."""

_MAX_DIGITS = 30
DECIMAL = re.compile(rf"-?(0|[1-9][0-9]{{0,{_MAX_DIGITS - 1}}})(\.[0-9]{{1,{_MAX_DIGITS}}})?")
"""A number as it is written: no exponent, no leading zero, and not a million digits."""

R = TypeVar("R")
Path: TypeAlias = "tuple[Path, str | int] | None"


@dataclass(frozen=True, slots=True)
class CodecProblem:
    """One thing wrong in criteria that somebody wrote. `pointer` is a JSON pointer (RFC 6901) into what was sent."""

    pointer: str
    message: str
    remedy: str


class CodecProblems(EligoError):
    """Criteria that cannot be read; `problems` has all of them, in document order."""

    def __init__(self, problems: tuple[CodecProblem, ...]) -> None:
        lines = [f"{each.pointer or '/'}: {each.message} {each.remedy}" for each in problems]
        super().__init__("The criteria cannot be read.\n" + "\n".join(lines))
        self.problems = problems


def encode(node: Criterion) -> dict[str, Any]:
    """The node as JSON values; a ValueError for what `decode` would refuse, a bug of whoever built the node."""
    encoded: dict[str, Any] = _encode(node, 1)
    return encoded


def decode(obj: object) -> Criterion:
    """The node that `obj` (parsed JSON) describes; CodecProblems with every problem found where it describes none."""
    reading = _Reading()
    node = reading.node(obj, NODES, None, 1)
    if reading.problems:
        raise CodecProblems(tuple(reading.problems))
    return typing.cast("Criterion", node)


def places(node: Criterion) -> Iterator[tuple[str, Any]]:
    """Every object within a criterion, itself included, with the JSON pointer to where `encode` writes it."""
    waiting: list[tuple[Path, Any]] = [(None, node)]
    while waiting:
        path, each = waiting.pop()
        yield _pointer(path), each
        inner: list[tuple[Path, Any]] = []
        cls: type = type(each)
        for slot in slots_of(cls):
            value = getattr(each, slot.name)
            if slot.shape is Shape.LEAF or (not slot.required and value == slot.default):
                continue
            if slot.many:
                inner += [(((path, slot.key), place), one) for place, one in enumerate(value)]
            else:
                inner.append(((path, slot.key), value))
        waiting += reversed(inner)


def encode_record(record: object) -> dict[str, Any]:
    """A dataclass of the criteria package that is no node (`RegistrationRecord`) as JSON values, by the same rules."""
    encoded: dict[str, Any] = _encode(record, 1)
    return encoded


def decode_record(cls: type[R], obj: object) -> R:
    """The record that `obj` (parsed JSON) describes; CodecProblems where it describes none."""
    reading = _Reading()
    made = reading.record(obj, (cls,), None, 1)
    if reading.problems:
        raise CodecProblems(tuple(reading.problems))
    return typing.cast("R", made)


# --- what the nodes declare ------------------------------------------------------------------------------------------


class Shape(StrEnum):
    """How a field's value (or each of its values) looks in JSON."""

    NODE = "node"  # an object with `kind`
    RECORD = "record"  # an object without
    LEAF = "leaf"  # text, number, truth value, word of a list


@dataclass(frozen=True, slots=True)
class Slot:
    """One field of a class, as JSON sees it. `default` is MISSING where the field is required.

    `types` are the classes that a value may have; `many` says that the field is a list of them.
    """

    name: str
    key: str
    many: bool
    types: tuple[type, ...]
    shape: Shape
    default: Any

    @property
    def required(self) -> bool:
        """Whether the key must be there."""
        return self.default is MISSING


@cache
def slots_of(cls: type[Any]) -> tuple[Slot, ...]:
    """The fields of a dataclass of the criteria with their resolved types, in order."""
    hints = typing.get_type_hints(cls, localns={"Duration": Duration})
    return tuple(_slot(each.name, hints[each.name], each.default) for each in dataclasses.fields(cls))


def _slot(name: str, hint: Any, default: Any) -> Slot:
    many = typing.get_origin(hint) is tuple
    classes = _members(typing.get_args(hint)[0] if many else hint)
    shape = Shape.LEAF
    if dataclasses.is_dataclass(classes[0]):
        shape = Shape.NODE if classes[0] in NODES else Shape.RECORD
    return Slot(name, _camel(name), many, classes, shape, default)


@cache
def _by_key(cls: type) -> dict[str, Slot]:
    return {slot.key: slot for slot in slots_of(cls)}


@cache
def kind_of(cls: type) -> str:
    """`HasCondition` as `has-condition`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()


@cache
def _kinds(classes: tuple[type, ...]) -> dict[str, type]:
    return {kind_of(each): each for each in classes}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(each.title() for each in rest)


def _members(hint: Any) -> tuple[type, ...]:
    """The alternatives of a union without None; a type that is no union is its only alternative."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return tuple(each for each in typing.get_args(hint) if each is not types.NoneType)
    return (hint,)


NODES: tuple[type, ...] = _members(Criterion)
"""Every class of the union, in the order of its definition."""


def broken_rule(value: object) -> str | None:
    """What is wrong with a value whose fields have the right types each, or None. Both directions hold to it."""
    match value:
        case nodes.AllOf(parts=()) | nodes.AnyOf(parts=()):
            return "It has no parts."
        case nodes.AtLeast(count, parts) if not 1 <= count <= len(parts):
            return f"It asks for {count} of {len(parts)} parts."
        case nodes.When(nodes.Timing.WITHIN, None):
            return "A window needs its duration."
        case nodes.When(timing, duration) if timing is not nodes.Timing.WITHIN and duration is not None:
            return f"Only a window has a duration, and this is {timing.value!r}."
        case nodes.AgeIs(bounds=()) | nodes.Measured(bounds=()) | nodes.Scored(bounds=()):
            return "It has no bounds."
        case nodes.Elapsed(half_lives=int() as count) if count < 1:
            return "The number of half-lives is not positive."
        case nodes.Quote(_, start, end) if not 0 <= start <= end:
            return "A quote runs from its start to its end."
        case _:
            return None


# --- encode ----------------------------------------------------------------------------------------------------------


def _encode(value: Any, depth: int) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, str | bool | int):
        return value
    if isinstance(value, Decimal):
        return _decimal_text(value)
    if depth > MAX_DEPTH:
        msg = f"The criteria are more than {MAX_DEPTH} objects deep."
        raise ValueError(msg)
    cls: type = type(value)
    broken = broken_rule(value)
    if broken is not None:
        msg = f"{cls.__name__} cannot be written. {broken}"
        raise ValueError(msg)
    encoded: dict[str, Any] = {"kind": kind_of(cls)} if cls in NODES else {}
    for slot in slots_of(cls):
        field = getattr(value, slot.name)
        if slot.required or field != slot.default:
            encoded[slot.key] = _encode_all(field, depth + 1) if slot.many else _encode(field, depth + 1)
    return encoded


def _encode_all(values: tuple[Any, ...], depth: int) -> list[Any]:
    encoded = []
    for each in values:
        encoded.append(_encode(each, depth))  # noqa: PERF401  a comprehension is one more frame a level
    return encoded


def _decimal_text(value: Decimal) -> str:
    if value.is_finite() and abs(value.adjusted()) <= _MAX_DIGITS:  # asked before 1E+999999 is spelt out
        text = f"{value:f}"
        if DECIMAL.fullmatch(text):
            return text
    msg = f"The number {value} cannot be written as criteria write numbers."
    raise ValueError(msg)


# --- decode ----------------------------------------------------------------------------------------------------------

_FAILED: Any = object()
"""What a reading gives whose problem has been noted already."""


class _Reading:
    """One pass over what was sent. Few frames a level: depth is bounded by MAX_DEPTH, not by the interpreter."""

    def __init__(self) -> None:
        self.problems: list[CodecProblem] = []

    def problem(self, path: Path, message: str, remedy: str) -> Any:
        """Note a problem and give the mark of failure."""
        self.problems.append(CodecProblem(_pointer(path), message, remedy))
        return _FAILED

    def node(self, obj: object, classes: tuple[type, ...], path: Path, depth: int) -> Any:
        """A node of one of the classes, told by its kind."""
        if not isinstance(obj, dict):
            return self.problem(path, f"A criterion is an object, not {_said(obj)}.", 'Write {"kind": ..., ...}.')
        kinds = _kinds(classes)
        kind = obj.get("kind")
        cls = kinds.get(kind) if isinstance(kind, str) else None
        if cls is not None:
            return self.record(obj, (cls,), path, depth)
        wanted = ", ".join(kinds)
        if "kind" not in obj:
            return self.problem(path, "The criterion has no kind.", f"Give one of: {wanted}.")
        return self.problem((path, "kind"), f"There is no kind {_said(kind)} here.", f"Use one of: {wanted}.")

    def record(self, obj: object, classes: tuple[type, ...], path: Path, depth: int) -> Any:
        """An instance of one of several dataclasses, its keys checked one by one."""
        if not isinstance(obj, dict):
            return self.problem(path, f"This is an object, not {_said(obj)}.", "Put its parts into { }.")
        if depth > MAX_DEPTH:
            return self.problem(path, f"This is more than {MAX_DEPTH} objects deep.", "Flatten the logic.")
        cls = classes[0] if len(classes) == 1 else _fitting(obj, classes)
        by_key = _by_key(cls)
        before = len(self.problems)
        for key in obj:
            if key not in by_key and not (key == "kind" and cls in NODES):
                allowed = ", ".join(by_key)
                self.problem((path, str(key)), f"{kind_of(cls)} has no key {_said(key)}.", f"It may have: {allowed}.")
        fields: dict[str, Any] = {}
        for slot in slots_of(cls):
            if slot.key in obj:
                read = self.every if slot.many else self.value
                fields[slot.name] = read(obj[slot.key], slot, (path, slot.key), depth + 1)
            elif slot.required:
                self.problem(path, f"{kind_of(cls)} lacks {slot.key!r}.", f"Add {slot.key!r}.")
        if len(self.problems) > before:
            return _FAILED
        try:
            made = cls(**fields)
        except ValueError as refused:
            return self.problem(path, str(refused), "Correct the value.")
        broken = broken_rule(made)
        return made if broken is None else self.problem(path, broken, "Correct or leave out this object.")

    def every(self, obj: object, slot: Slot, path: Path, depth: int) -> Any:
        """A list of values."""
        if not isinstance(obj, list):
            return self.problem(path, f"This is a list, not {_said(obj)}.", "Put it into [ ].")
        read: list[Any] = []
        for place, each in enumerate(obj):
            if slot.shape is Shape.NODE:
                read.append(self.node(each, slot.types, (path, place), depth))
            else:
                read.append(self.value(each, slot, (path, place), depth))
        return tuple(read)

    def value(self, obj: object, slot: Slot, path: Path, depth: int) -> Any:
        """One value of a field."""
        if slot.shape is Shape.NODE:
            return self.node(obj, slot.types, path, depth)
        if slot.shape is Shape.RECORD:
            return self.record(obj, slot.types, path, depth)
        return self.leaf(obj, slot.types[0], path)

    def leaf(self, obj: object, cls: type, path: Path) -> Any:
        """A string, number, truth value or one of a fixed list of words."""
        if cls is Decimal:
            if isinstance(obj, str) and DECIMAL.fullmatch(obj):
                return Decimal(obj)
            return self.problem(
                path, f"{_said(obj)} is not a number in a string.", 'Write it as "1.5": digits, one dot.'
            )
        if issubclass(cls, StrEnum):
            if isinstance(obj, str) and obj in {each.value for each in cls}:
                return cls(obj)
            wanted = ", ".join(repr(each.value) for each in cls)
            return self.problem(path, f"{_said(obj)} is not one of the words for this.", f"Use one of: {wanted}.")
        if type(obj) is cls:
            return obj
        return self.problem(path, f"{_said(obj)} is not {_NAMES[cls]}.", f"Give {_NAMES[cls]}.")


_NAMES: dict[type, str] = {str: "text", int: "a whole number", bool: "true or false"}


def _fitting(obj: dict[Any, Any], alternatives: tuple[type, ...]) -> type:
    """Which of several untagged records is meant: the first with a required key, all its own, that is there."""
    for cls in alternatives:
        others = {slot.key for other in alternatives if other is not cls for slot in slots_of(other)}
        if any(slot.required and slot.key in obj and slot.key not in others for slot in slots_of(cls)):
            return cls
    return alternatives[0]


def _said(obj: object) -> str:
    """How a message names what was sent; cut short, for it may be anything."""
    match obj:
        case None:
            return "null"
        case bool():
            return "true" if obj else "false"
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            text = repr(obj)
            return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


_SHOWN = 40


def _pointer(path: Path) -> str:
    keys: list[str] = []
    while path is not None:
        path, key = path
        keys.append(str(key).replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{key}" for key in reversed(keys))
