"""A FHIR ConceptMap (R4, R4B or R5) → the lines by which a site's own codes are understood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.fhir.site_codes import BadSiteCodes, canonical_of, objects, text
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


def read_concept_map(resource: object) -> tuple[LocalCode, ...]:
    """The lines of a map that is active; () for one that is a draft or retired. BadSiteCodes.

    A line that holds only under conditions (`dependsOn`, `product`) is not certain.
    """
    if not isinstance(resource, dict) or resource.get("resourceType") != "ConceptMap":
        raise BadSiteCodes("/resourceType", "The body is not a ConceptMap.")
    name = canonical_of(resource)
    status = text(resource, "status", "")
    lines = tuple(
        line
        for place, group in objects(resource, "group", "")
        for line in _lines(group, place, name)
    )  # fmt: skip
    return lines if status == "active" else ()


def _lines(group: dict[str, Any], pointer: str, name: str) -> Iterator[LocalCode]:
    source, target = (text(group, key, pointer).partition("|")[0] for key in ("source", "target"))
    for place, element in objects(group, "element", pointer):
        code = element.get("code")
        if not isinstance(code, str) or not code.strip():
            continue  # the text alone, or a whole value set
        for inner, one in objects(element, "target", place):
            said = str(one.get("relationship", one.get("equivalence")))  # whatever is sent there
            if said in _NONE or not isinstance(one.get("code"), str):
                continue
            if said not in _RELATIONS:
                raise BadSiteCodes(inner, f"{said[:40]!r} is no equivalence (R4) or relationship (R5).")
            relation = Relation.VAGUE if any(one.get(each) for each in _CONDITIONS) else _RELATIONS[said]
            yield LocalCode(source, code.strip(), target, one["code"].strip(), relation, name)
