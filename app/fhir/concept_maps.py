"""A FHIR ConceptMap (R4, R4B or R5) → the lines by which a site's own codes are understood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.errors import EligoError
from app.knowledge.local import LocalCode, Relation

if TYPE_CHECKING:
    from collections.abc import Iterator

# R4's `equivalence` speaks of the target seen from the source ("wider": the target is), R5's `relationship` of the
# source seen from the target. What says that the two are different things is no line at all.
_RELATIONS = {
    "equivalent": Relation.SAME,
    "equal": Relation.SAME,
    "wider": Relation.NARROWER,
    "subsumes": Relation.NARROWER,
    "source-is-narrower-than-target": Relation.NARROWER,
    "narrower": Relation.VAGUE,
    "specializes": Relation.VAGUE,
    "inexact": Relation.VAGUE,
    "relatedto": Relation.VAGUE,
    "source-is-broader-than-target": Relation.VAGUE,
    "related-to": Relation.VAGUE,
}
_NONE = frozenset({"unmatched", "disjoint", "not-related-to"})
_CONDITIONS = ("dependsOn", "product")


class BadConceptMap(EligoError):
    """A ConceptMap that cannot be used; `pointer` (JSON pointer) says where."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(reason)
        self.pointer = pointer


def read_concept_map(resource: object) -> tuple[LocalCode, ...]:
    """The lines of a map that is active; () for one that is a draft or retired. BadConceptMap.

    A line that holds only under conditions (`dependsOn`, `product`) is not certain.
    """
    if not isinstance(resource, dict) or resource.get("resourceType") != "ConceptMap":
        raise BadConceptMap("/resourceType", "The body is not a ConceptMap.")
    url = _text(resource, "url", "")
    version = resource.get("version")
    name = f"{url}|{version}" if isinstance(version, str) and version else url
    status = _text(resource, "status", "")
    lines = tuple(
        line
        for place, group in _objects(resource, "group", "")
        for line in _lines(group, place, name)
    )  # fmt: skip
    return lines if status == "active" else ()


def _lines(group: dict[str, Any], pointer: str, name: str) -> Iterator[LocalCode]:
    source, target = (_text(group, key, pointer).partition("|")[0] for key in ("source", "target"))
    for place, element in _objects(group, "element", pointer):
        code = element.get("code")
        if not isinstance(code, str) or not code.strip():
            continue  # the text alone, or a whole value set
        for inner, one in _objects(element, "target", place):
            said = one.get("relationship", one.get("equivalence"))
            if said in _NONE or not isinstance(one.get("code"), str):
                continue
            if said not in _RELATIONS:
                raise BadConceptMap(inner, f"{str(said)[:40]!r} is no equivalence (R4) or relationship (R5).")
            relation = Relation.VAGUE if any(one.get(each) for each in _CONDITIONS) else _RELATIONS[said]
            yield LocalCode(source, code.strip(), target, one["code"].strip(), relation, name)


def _text(element: dict[str, Any], key: str, pointer: str) -> str:
    value = element.get(key)
    if not isinstance(value, str) or not value.strip():
        raise BadConceptMap(f"{pointer}/{key}", f"`{key}` is missing.")
    return value.strip()


def _objects(element: dict[str, Any], key: str, pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a list with their places."""
    given = element.get(key)
    if given is None:
        return
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise BadConceptMap(f"{pointer}/{key}", f"`{key}` is a list of objects.")
    for place, each in enumerate(given):
        yield f"{pointer}/{key}/{place}", each
