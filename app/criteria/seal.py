"""A digest of what a criterion was written as in FHIR, so that whoever reads it back sees whether anything was changed.

A Group's characteristic says a criterion in words, in code and value, and as the expression that it carries along.
Where somebody has edited one of them, they are no longer one criterion, and the words must be read anew. The digest
guards against such edits, not against forgery.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

CARRIED = "eligo-criterion"
"""The last part of the address of the extension that carries a criterion."""
SOURCE_TEXT = "eligo-source-text"
"""The same, of the one that carries the text which spans point into."""


def seal_of(carried: Mapping[str, Any], characteristic: Mapping[str, Any], contained: Mapping[str, Any]) -> str:
    """The digest of a criterion: what is carried (without its seal), the characteristic, and the Groups it points to.

    `contained` are the resources beside it by id. {} as the characteristic where a criterion has none (a wish).
    """
    own = {key: value for key, value in carried.items() if key != "seal"}
    elements = [own, _bare(characteristic), *_pointed(characteristic, contained, set())]
    text = json.dumps(elements, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def is_extension(extension: object, name: str) -> bool:
    """Whether an extension is the one with this name, under whatever base it was published."""
    url = extension.get("url") if isinstance(extension, dict) else None
    return isinstance(url, str) and url.endswith(f"/StructureDefinition/{name}")


def _bare(element: Mapping[str, Any]) -> dict[str, Any]:
    """The element without the extension that carries the criterion."""
    found = dict(element)
    given = found.pop("extension", None)
    kept = [each for each in given if not is_extension(each, CARRIED)] if isinstance(given, list) else []
    return {**found, "extension": kept}


def _pointed(element: Mapping[str, Any], contained: Mapping[str, Any], seen: set[str]) -> list[Any]:
    """The child Groups that a characteristic points to, with theirs, in order."""
    reference = element.get("valueReference")
    target = reference.get("reference") if isinstance(reference, dict) else None
    name = target[1:] if isinstance(target, str) and target.startswith("#") else ""
    group = contained.get(name)
    if not isinstance(group, dict) or name in seen:
        return []
    seen.add(name)
    members = group.get("characteristic")
    inner = [each for each in members if isinstance(each, dict)] if isinstance(members, list) else []
    return [group, *(one for each in inner for one in _pointed(each, contained, seen))]
