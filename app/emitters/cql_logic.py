"""The CQL of a trial as FHIR: what its Library carries, the Library that all trials share, the value sets of both."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from app.emitters.cql import FHIR_HELPERS, cql_library, cql_rules
from app.emitters.cql_rules import RULES, RULES_VERSION
from app.emitters.cql_sets import listed
from app.emitters.fhir import hl7_coding
from app.emitters.plan import Logic, library_name
from app.emitters.value_sets import value_set

if TYPE_CHECKING:
    from app.emitters.cql import CqlLibrary
    from app.emitters.cql_terms import CqlValueSet
    from app.emitters.fhir import PublishedTrial, Resource, Target

CQL, ELM = "text/cql", "application/elm+json"
_FHIR_HELPERS = f"http://hl7.org/fhir/Library/{FHIR_HELPERS}|4.0.1"


def logic_of(trial: PublishedTrial, target: Target) -> Logic:
    """The CQL source of a trial, and the canonicals that it needs."""
    library = _emitted(trial, target)
    sets = (f"{each.url}|{target.knowledge_version()}" for each in (*library.value_sets, *library.rules.value_sets))
    rules = f"{target.canonical.base}/Library/{RULES}|{RULES_VERSION}"
    return Logic(((CQL, library.source),), (rules, _FHIR_HELPERS, *sets))


def shared_resources(trial: PublishedTrial, target: Target) -> list[Resource]:
    """What the CQL of a trial needs beside its own Library: the shared one, and every value set of both."""
    library = _emitted(trial, target)
    sets = {each.url: each for each in (*library.value_sets, *library.rules.value_sets)}
    return [shared_library(target), *(_value_set(each, target) for each in sets.values())]


def _emitted(trial: PublishedTrial, target: Target) -> CqlLibrary:
    name = library_name(trial.id)
    return cql_library(name, str(trial.version), trial.criteria, target.catalogue, target.canonical.base)


def shared_library(target: Target) -> Resource:
    """The Library that the logic of all trials includes."""
    rules = cql_rules(target.catalogue, target.canonical.base)
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
            {"contentType": CQL, "data": base64.b64encode(rules.source.encode()).decode()},
        ],
    }


def _value_set(each: CqlValueSet, target: Target) -> Resource:
    """Of a concept as it is published alone; the others list their codes."""
    concept = target.catalogue.concepts.get(each.id)
    return value_set(concept, target) if concept is not None else listed(each, target)
