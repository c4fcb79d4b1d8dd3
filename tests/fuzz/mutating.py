"""Damages input, by bytes and by structure. The same seed gives the same damage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

_BYTES = (b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3(", b"\xed\xa0\x80", b'"', b"{", b"[", b"\\u0000", b"\\ud800")
_TEXTS = (
    "", " ", "\u0000", "\ud800", "\u202e", "2024-13", "2024", "0000-00-00", "9999-12-31T24:00:00Z", "é" * 300, "1e999",
    "Patient/", "#", "urn:uuid:", "10*9/L", "((((", "<script>", "-", "Bundle", "Observation", "http://loinc.org",
)  # fmt: skip
_NUMBERS = (0, -1, 2**31, 2**63, 2**64, 10**30, 1e308, -0.0, 1.5, 1e-300)
_LITERALS = (b"NaN", b"Infinity", b"1e999999", b"-", b"01", b"1.", b"1" * 400)
_DEEP = 400


def _deep(chance: Random) -> Any:
    made: Any = "x"
    for _ in range(chance.choice((3, 30, _DEEP))):
        made = [made] if chance.random() < 0.5 else {"extension": made}
    return made


def _odd(chance: Random) -> Any:
    kind = chance.randrange(7)
    choices: tuple[Callable[[], Any], ...] = (
        lambda: None,
        lambda: chance.choice((True, False)),
        lambda: chance.choice(_NUMBERS),
        lambda: chance.choice(_TEXTS),
        list,
        dict,
        lambda: _deep(chance),
    )
    return choices[kind]()


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every member and element, as container and key."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        here = waiting.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()
        for key in keys:
            found.append((here, key))
            waiting.append(here[key])
    return found


def _by_structure(value: Any, chance: Random) -> Any:
    places = _places(value)
    if not places:
        return _odd(chance)
    container, key = chance.choice(places)
    match chance.randrange(6):
        case 0:
            del container[key]
        case 1:
            container[key] = _odd(chance)
        case 2:
            container[key] = [container[key]] * chance.choice((1, 2, 50))
        case 3:
            other, place = chance.choice(places)
            container[key] = json.loads(json.dumps(other[place])) if place in _keys(other) else None
        case 4 if isinstance(container, dict):
            container[chance.choice((*_TEXTS, *map(str, container)))] = container.pop(key)
        case _:
            container[key] = chance.choice(_TEXTS)
    return value


def _keys(container: Any) -> Any:
    return container if isinstance(container, dict) else range(len(container))


def _by_bytes(body: bytes, chance: Random) -> bytes:
    at, until = sorted(chance.randrange(len(body) + 1) for _ in range(2))
    match chance.randrange(7):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + body[until:]
        case 2:
            return body[:until] + body[at:]
        case 3:
            return body[:at] + chance.choice(_BYTES) + body[at:]
        case 4:
            return body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]
        case 5:
            return body[:at] + chance.choice(_LITERALS) + body[at:]
        case _:
            return body.decode("utf-8", "replace").encode(chance.choice(("utf-16", "utf-32", "latin-1")), "replace")


def mutated(body: bytes, chance: Random) -> bytes:
    """The body with one to four things wrong: in its structure where it is JSON, or byte by byte."""
    for _ in range(chance.randint(1, 4)):
        try:
            value = json.loads(body) if chance.random() < 0.6 else None
        except (ValueError, RecursionError):
            value = None
        if value is None:
            body = _by_bytes(body, chance)
            continue
        try:
            body = json.dumps(_by_structure(value, chance)).encode("utf-8", "surrogatepass")
        except RecursionError:
            body = _by_bytes(body, chance)
    return body


def all_mutated(bodies: Sequence[bytes], chance: Random, each: int) -> list[bytes]:
    """`each` damaged copies of every body."""
    return [mutated(body, chance) for body in bodies for _ in range(each)]
