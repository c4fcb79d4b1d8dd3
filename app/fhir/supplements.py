"""A CodeSystem supplement (R4, R4B or R5) → further names of codes, and where codes lie that the catalogue lacks.

A supplement adds to a code system that somebody else keeps: designations, and properties of which three bear on what a
code means: `parent`, `child` and `synonym` (FHIR's concept properties). Concepts within concepts lie beneath them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from app.fhir.site_codes import BadSiteCodes, canonical_of, objects, text
from app.knowledge.local import LocalCode, LocalName, Relation, SiteCodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SUPPLEMENT = "supplement"
_DEFINED = "http://hl7.org/fhir/concept-properties#"
_PARENT, _CHILD, _SYNONYM = "parent", "child", "synonym"
_MEANING = (_PARENT, _CHILD, _SYNONYM)
_IS_A = "is-a"
_MOST_DEEP = 64


def read_supplement(resource: object) -> SiteCodes:
    """What an active supplement says; nothing for one that is a draft or retired. BadSiteCodes.

    What lies beneath a code is a kind of it where `hierarchyMeaning` is `is-a`, however many steps lie between; with
    another meaning, or none, it may be.
    """
    if not isinstance(resource, dict) or resource.get("resourceType") != "CodeSystem":
        raise BadSiteCodes("/resourceType", "The body is not a CodeSystem.")
    if resource.get("content") != SUPPLEMENT:
        raise BadSiteCodes("/content", "Only supplements are taken here: a CodeSystem whose `content` is `supplement`.")
    source = canonical_of(resource)
    system = text(resource, "supplements", "").partition("|")[0]
    read = _Read(_meanings(resource))
    for pointer, concept in objects(resource, "concept", ""):
        read.concept(concept, pointer, None, 0)
    if text(resource, "status", "") != "active":
        return SiteCodes()
    relation = Relation.NARROWER if resource.get("hierarchyMeaning") == _IS_A else Relation.VAGUE
    codes = [
        LocalCode(system, code, system, other, relation, source)
        for code in read.parents
        for other in _above(code, read.parents)
    ]
    codes += [LocalCode(system, other, system, code, Relation.SAME, source) for other, code in read.synonyms]
    return SiteCodes.of(codes, (LocalName(system, code, name, source) for code, name in read.names))


def _meanings(resource: dict[str, Any]) -> dict[str, str]:
    """How the supplement calls the properties that count; by FHIR's own names where it does not say."""
    found = {each: each for each in _MEANING}
    for pointer, declared in objects(resource, "property", ""):
        code, uri = text(declared, "code", pointer), declared.get("uri")
        if isinstance(uri, str) and uri:
            found.pop(code, None)
            if uri.startswith(_DEFINED) and uri.removeprefix(_DEFINED) in _MEANING:
                found[code] = uri.removeprefix(_DEFINED)
    return found


class _Read:
    """What is collected over all concepts."""

    def __init__(self, meanings: dict[str, str]) -> None:
        self.parents: defaultdict[str, set[str]] = defaultdict(set)
        self.synonyms: list[tuple[str, str]] = []
        self.names: list[tuple[str, str]] = []
        self._meanings = meanings

    def concept(self, concept: dict[str, Any], pointer: str, above: str | None, depth: int) -> None:
        """One concept, and those in it."""
        if depth > _MOST_DEEP:
            raise BadSiteCodes(pointer, f"Concepts are nested more than {_MOST_DEEP} deep.")
        code = text(concept, "code", pointer)
        if above is not None:
            self.parents[code].add(above)
        self.names += ((code, name) for name in _names(concept, pointer))
        for place, each in objects(concept, "property", pointer):
            meaning = self._meanings.get(text(each, "code", place))
            if meaning is None:
                continue
            other = text(each, "valueCode", place)
            if meaning == _SYNONYM:
                self.synonyms.append((other, code))
            else:
                lower, upper = (code, other) if meaning == _PARENT else (other, code)
                self.parents[lower].add(upper)
        for place, each in objects(concept, "concept", pointer):
            self.concept(each, place, code, depth + 1)


def _names(concept: dict[str, Any], pointer: str) -> Iterator[str]:
    if isinstance(concept.get("display"), str) and concept["display"].strip():
        yield concept["display"].strip()
    for place, each in objects(concept, "designation", pointer):
        yield text(each, "value", place)


def _above(code: str, parents: dict[str, set[str]]) -> Iterable[str]:
    """All that lie above a code, each once; a ring ends where it began."""
    found: dict[str, None] = {}
    waiting = sorted(parents[code])
    while waiting:
        each = waiting.pop()
        if each != code and each not in found:
            found[each] = None
            waiting += sorted(parents.get(each, ()))
    return found
