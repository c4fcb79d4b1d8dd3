"""Criteria that Eligo itself has written into a Group → the same criteria, without reading their words anew.

Only where nothing about them was changed since: the words, the side, code and value, and what is carried along must
still belong together, and everything that the expressions name must be known here. Else the words are read, as those of
any other Group.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from app.criteria.codec import CodecProblems, decode
from app.criteria.nodes import Preference
from app.criteria.seal import CARRIED, SOURCE_TEXT, is_extension, seal_of
from app.knowledge.known import unknown_names
from app.reader.registration import Kind, ReadCriterion, Reading
from app.reader.study_sent import dicts, name_of, words

if TYPE_CHECKING:
    from app.knowledge.catalogue import Catalogue
    from app.reader.study_sent import Resource

_OWN_IDENTIFIER = "/trial-id"


class Carried(NamedTuple):
    """The text that spans point into, and the criteria in order; or `note`, why they must be read from their words."""

    text: str
    criteria: tuple[ReadCriterion, ...]
    note: str


class _Broken(Exception):
    """What is carried does not fit what stands around it; the message says how."""


def carried_criteria(group: Resource, catalogue: Catalogue) -> Carried | None:
    """The criteria that a Group carries; None for a Group that carries none."""
    characteristics = dicts(group.get("characteristic"))
    given = [each for one in (group, *characteristics) for each in dicts(one.get("extension"))]
    if not any(is_extension(each, CARRIED) for each in given):
        return None
    try:
        text = _text(group)
        contained = {words(each.get("id")): each for each in dicts(group.get("contained"))}
        found = [_criterion(_one(each), each, contained, text, catalogue) for each in characteristics]
        notes = [each for each in dicts(group.get("extension")) if is_extension(each, CARRIED)]
        found += [_criterion(_content(each), {}, {}, text, catalogue) for each in notes]
    except _Broken as broken:
        return Carried("", (), f"What {name_of(group)} carries of its criteria is not used: {broken}")
    found.sort(key=lambda each: each[0])
    if [place for place, _ in found] != list(range(len(found))) or len({each.id for _, each in found}) < len(found):
        return Carried(
            "", (), f"What {name_of(group)} carries of its criteria is not used: some were taken out or added."
        )
    return Carried(text, tuple([each for _, each in found]), "")


def carried_id(study: Resource) -> str | None:
    """The name under which Eligo knew a trial that has no registry number."""
    for each in dicts(study.get("identifier")):
        if words(each.get("system")).endswith(_OWN_IDENTIFIER) and each.get("use") == "official":
            return words(each.get("value")) or None
    return None


def _text(group: Resource) -> str:
    for each in dicts(group.get("extension")):
        attachment = each.get("valueAttachment")
        if is_extension(each, SOURCE_TEXT) and isinstance(attachment, dict):
            try:
                return base64.b64decode(str(attachment.get("data")), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                break
    raise _Broken("the text they stand in is missing.")


def _one(characteristic: Resource) -> dict[str, Any]:
    own = [each for each in dicts(characteristic.get("extension")) if is_extension(each, CARRIED)]
    if len(own) != 1:
        raise _Broken(f"characteristic {words(characteristic.get('id')) or '(no id)'} is not Eligo's.")
    return _content(own[0])


def _content(extension: Resource) -> dict[str, Any]:
    try:
        content = json.loads(str(extension.get("valueString")))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise _Broken("it is not JSON.")
    return content


def _criterion(
    content: dict[str, Any], characteristic: Resource, contained: dict[str, Any], text: str, catalogue: Catalogue
) -> tuple[int, ReadCriterion]:
    """One criterion with its place. _Broken where anything about it does not fit."""
    ident = content.get("id")
    try:
        kind, reading = Kind(content["kind"]), Reading(content["reading"])
        order, number, said, notes = (content[each] for each in ("order", "number", "text", "notes"))
        start, end = content["span"]
        expression = decode(content["expression"])
    except (KeyError, ValueError, TypeError, CodecProblems):
        raise _Broken(f"criterion {ident!r} cannot be read.") from None
    if not (
        all(type(each) is int for each in (order, start, end))
        and all(isinstance(each, str) for each in (ident, number, said, *notes))
    ):
        raise _Broken(f"criterion {ident!r} cannot be read.")
    if content.get("seal") != seal_of(content, characteristic, contained):
        raise _Broken(f"criterion {ident!r} has been changed.")
    if bool(characteristic) is isinstance(expression, Preference) or (
        characteristic and characteristic.get("exclude") is not (kind is Kind.EXCLUSION)
    ):
        raise _Broken(f"criterion {ident!r} does not stand where it should.")
    if next(iter(unknown_names(expression, catalogue)), None) is not None:
        raise _Broken(f"criterion {ident!r} names what is not known here.")
    if (start, end) != (0, 0) and text[start:end] != said:
        raise _Broken(f"the words of criterion {ident!r} are not where they should be.")
    return order, ReadCriterion(str(ident), kind, number, said, (start, end), reading, expression, tuple(notes))
