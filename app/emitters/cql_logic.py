"""The CQL of a trial as FHIR: what its Library carries, the Library that all trials share, the value sets of both."""

from __future__ import annotations

import base64
from itertools import groupby
from typing import TYPE_CHECKING

from app.emitters.cql import FHIR_HELPERS, cql_library
from app.emitters.cql_rules import RULES, RULES_VERSION
from app.emitters.fhir import hl7_coding, pruned
from app.emitters.plan import Logic, library_name
from app.emitters.value_sets import value_set

if TYPE_CHECKING:
    from app.emitters.cql import CqlLibrary
    from app.emitters.cql_terms import CqlValueSet
    from app.emitters.fhir import PublishedTrial, Resource, Target

_FHIR_HELPERS = f"http://hl7.org/fhir/Library/{FHIR_HELPERS}|4.0.1"


def logic_of(trial: PublishedTrial, target: Target) -> Logic:
    """The CQL source of a trial, and the canonicals that it needs."""
    library = _emitted(trial, target)
    sets = (f"{each.url}|{target.knowledge_version()}" for each in (*library.value_sets, *library.rules.value_sets))
    rules = f"{target.canonical.base}/Library/{RULES}|{RULES_VERSION}"
    return Logic((("text/cql", library.source),), (rules, _FHIR_HELPERS, *sets))


def shared_resources(trial: PublishedTrial, target: Target) -> list[Resource]:
    """What the CQL of a trial needs beside its own Library: the shared one, and every value set of both."""
    library = _emitted(trial, target)
    sets = {each.url: each for each in (*library.value_sets, *library.rules.value_sets)}
    return [_rules(library, target), *(_value_set(each, target) for each in sets.values())]


def _emitted(trial: PublishedTrial, target: Target) -> CqlLibrary:
    name = library_name(trial.id)
    return cql_library(name, str(trial.version), trial.criteria, target.catalogue, target.canonical.base)


def _rules(library: CqlLibrary, target: Target) -> Resource:
    return {
        "resourceType": "Library",
        "id": RULES,
        "url": f"{target.canonical.base}/Library/{RULES}",
        "version": RULES_VERSION,
        "name": RULES,
        "title": "The rules of judging that the logic of all trials shares",
        "status": "active",
        "experimental": False,
        "type": {"coding": [hl7_coding("library-type", "logic-library", "Logic Library")]},
        "relatedArtifact": [{"type": "depends-on", "resource": _FHIR_HELPERS}],
        "content": [
            {"contentType": "text/cql", "data": base64.b64encode(library.rules.source.encode()).decode()},
        ],
    }


def _value_set(each: CqlValueSet, target: Target) -> Resource:
    """Of a concept as it is published alone; the others list their codes."""
    id_ = each.url.rpartition("/")[2]
    if id_ in target.catalogue.concepts:
        return value_set(target.catalogue.concepts[id_], target)
    name = "".join(part.title() for part in id_.split("-"))
    return pruned(
        {
            "resourceType": "ValueSet",
            "id": id_,
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
