"""The value sets that the CQL of trials looks codes up in, by their ids; those of concepts are published as such."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from app.emitters.cql import cql_rules
from app.emitters.cql_terms import result_set, results_in, wider_concepts, wider_set
from app.emitters.fhir import pruned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.emitters.cql_terms import CqlValueSet
    from app.emitters.fhir import Resource, Target


def listed_ids(target: Target) -> Iterator[str]:
    """The ids of all of them beside those of concepts."""
    catalogue, base = target.catalogue, target.canonical.base
    yield from (each.id for each in cql_rules(catalogue, base).value_sets)
    yield from (wider_set(each, catalogue, base).id for each in wider_concepts(catalogue))
    yield from (result_set(each, catalogue, base).id for each in results_in(catalogue).values())


def listed_set(ident: str, target: Target) -> Resource:
    """The ValueSet of one of `listed_ids`. KeyError."""
    catalogue, base = target.catalogue, target.canonical.base
    for each in cql_rules(catalogue, base).value_sets:
        if each.id == ident:
            return listed(each, target)
    stem = ident.removesuffix("-wider")
    if stem != ident and stem in catalogue.concepts:
        return listed(wider_set(stem, catalogue, base), target)
    return listed(result_set(results_in(catalogue)[ident.removesuffix("-result")], catalogue, base), target)


def listed(each: CqlValueSet, target: Target) -> Resource:
    """A value set as a list of codes."""
    name = "".join(part.title() for part in each.id.split("-"))
    return pruned(
        {
            "resourceType": "ValueSet",
            "id": each.id,
            "url": each.url,
            "version": target.knowledge_version(),
            "name": name if name[:1].isalpha() else f"Set{name}",
            "title": each.name,
            "status": "active",
            "experimental": False,
            "compose": {
                "include": [
                    {"system": system, "concept": [{"code": code} for _, code in codes]}
                    for system, codes in groupby(each.members, key=lambda one: one[0])
                ]
            }
            if each.members  # a scale that no code stands for has none
            else None,
        }
    )
