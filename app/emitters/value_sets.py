"""The codes by which records name a concept of the catalogue, as ValueSets; and the concepts as a CodeSystem.

A ValueSet says what the evaluator takes for the concept: lists with all descendants for SNOMED CT, NCIt and RxNorm
(products too), and `is-a` filters for ICD-10, ICD-10-CM and ATC, where a code stands for all that lies beneath it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

from app.emitters.fhir import pruned, system_uri
from app.knowledge.catalogue import PREFIX_SYSTEMS, System

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.emitters.fhir import Resource, Target
    from app.knowledge.catalogue import Catalogue, Code, Concept

_ICD_CATEGORY = 3
_DESIGNATED = re.compile(r"\s*\([a-z/ ]+\)$")
_COPYRIGHT = {
    System.SNOMED: "SNOMED CT is copyright SNOMED International.",
    System.LOINC: "LOINC (https://loinc.org) is copyright Regenstrief Institute, Inc.",
    System.ATC: "ATC is copyright WHO Collaborating Centre for Drug Statistics Methodology.",
}
CONCEPTS = "eligo-concepts"


def value_set(concept: Concept, target: Target) -> Resource:
    """The ValueSet of one concept. Its version is that of the catalogue."""
    include, exclude = _compose(concept.id, target.catalogue)
    systems = [
        each for each in _COPYRIGHT if any(part["system"] == system_uri(target.catalogue, each) for part in include)
    ]
    return pruned(
        {
            "resourceType": "ValueSet",
            "id": concept.id,
            "url": value_set_url(concept.id, target),
            "version": target.knowledge_version(),
            "name": _machine_name(concept.id),
            "title": concept.name,
            "status": "active",
            "experimental": False,
            "description": f"Codes by which records name: {concept.name}. Source: {concept.source}",
            "copyright": " ".join(_COPYRIGHT[each] for each in systems),
            "compose": pruned({"include": include, "exclude": exclude}) if include else None,
        }
    )


def value_set_url(concept: str, target: Target) -> str:
    """Where the ValueSet of a concept is published."""
    return f"{target.canonical.base}/ValueSet/{concept}"


def value_set_canonical(concept: str, target: Target) -> str:
    """The same with its version."""
    return f"{value_set_url(concept, target)}|{target.knowledge_version()}"


def concept_codes(target: Target) -> Resource:
    """The CodeSystem whose codes are the ids of the catalogue's concepts."""
    return {
        "resourceType": "CodeSystem",
        "id": CONCEPTS,
        "url": f"{target.canonical.base}/CodeSystem/{CONCEPTS}",
        "version": target.knowledge_version(),
        "name": "EligoConcepts",
        "title": "What criteria speak of",
        "status": "active",
        "experimental": False,
        "caseSensitive": True,
        "content": "complete",
        "count": len(target.catalogue.concepts),
        "concept": [
            {"code": each.id, "display": each.name} for each in sorted(target.catalogue.concepts.values(), key=_by_id)
        ],
    }


def concept_coding(concept: Concept, target: Target) -> list[Resource]:
    """Codings of a concept: its id here, and the code of a terminology that is called as it is, where there is one."""
    own = {
        "system": f"{target.canonical.base}/CodeSystem/{CONCEPTS}",
        "version": target.knowledge_version(),
        "code": concept.id,
        "display": concept.name,
    }
    named = principal_code(concept)
    if named is None:
        return [own]
    uri = system_uri(target.catalogue, named.system)
    return [{"system": uri, "code": named.code, "display": named.display}, own]


def principal_code(concept: Concept) -> Code | None:
    """The code of SNOMED CT or RxNorm that is called by the concept's own name, in whatever order of words.

    Another code that merely belongs to it, or that one of its other names calls, would say less.
    """
    named = _words(concept.name)
    for system in (System.SNOMED, System.RXNORM):
        for each in concept.codes:
            if each.system is system and _words(_DESIGNATED.sub("", each.display)) == named:
                return each
    return None


def _words(text: str) -> tuple[str, ...]:
    return tuple(sorted(text.casefold().replace(",", " ").split()))


def concept_named(words: str, catalogue: Catalogue) -> Concept | None:
    """The concept that is called exactly so; None where none or several are."""
    found = _by_name(catalogue).get(" ".join(words.casefold().split()), ())
    return catalogue.concepts[found[0]] if len(found) == 1 else None


@lru_cache(maxsize=2)
def _by_name(catalogue: Catalogue) -> Mapping[str, tuple[str, ...]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for concept in catalogue.concepts.values():
        for name in dict.fromkeys(concept.names):
            found[name].append(concept.id)
    return {name: tuple(ids) for name, ids in found.items()}


@lru_cache(maxsize=2)
def _members(catalogue: Catalogue) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Concept -> system -> the codes that are it, as the index answers for codes as they stand."""
    found: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for (system, code), placement in catalogue.index.exact.items():
        for each in placement.concepts:
            found[each][system].append(code)
    return {each: {system: tuple(sorted(codes)) for system, codes in own.items()} for each, own in found.items()}


@lru_cache(maxsize=2)
def _displays(catalogue: Catalogue) -> Mapping[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for concept in catalogue.concepts.values():
        for each in (*concept.codes, *concept.without):
            found.setdefault((each.system.value, each.code), each.display)
    for rxcui, drug in catalogue.drugs.items():
        found.setdefault((System.RXNORM.value, rxcui), drug.name)
    return found


@lru_cache(maxsize=2)
def _headed(catalogue: Catalogue) -> Mapping[str, tuple[str, ...]]:
    """System -> the codes that say something of what lies beneath them, in order."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for system, code in catalogue.index.prefix:
        found[system].append(code)
    return {system: tuple(sorted(codes)) for system, codes in found.items()}


@lru_cache(maxsize=1024)
def _compose(concept: str, catalogue: Catalogue) -> tuple[list[Resource], list[Resource]]:
    members = _members(catalogue).get(concept, {})
    displays = _displays(catalogue)
    include: list[Resource] = []
    exclude: list[Resource] = []
    for system in System:
        codes = members.get(system.value, ())
        uri = system_uri(catalogue, system)
        if system not in PREFIX_SYSTEMS:
            listed = [pruned({"code": each, "display": displays.get((system.value, each), "")}) for each in codes]
            include += [{"system": uri, "concept": listed}] if listed else []
            continue
        whole, single, out = _prefixes(concept, system, codes, catalogue)
        include += [_is_a(uri, _written(each, system)) for each in whole]
        include += [{"system": uri, "concept": [{"code": _written(each, system)} for each in single]}] if single else []
        exclude += [_is_a(uri, _written(each, system)) for each in out]
    return include, exclude


def _is_a(uri: str, code: str) -> Resource:
    return {"system": uri, "filter": [{"property": "concept", "op": "is-a", "value": code}]}


def _prefixes(
    concept: str, system: System, codes: Iterable[str], catalogue: Catalogue
) -> tuple[list[str], list[str], list[str]]:
    """The codes that stand for all beneath them, those that stand for themselves, and what is taken out again."""
    prefix = catalogue.index.prefix

    def is_inside(code: str) -> bool:
        """Whether what lies above already has it."""
        for end in range(len(code) - 1, 0, -1):
            above = prefix.get((system.value, code[:end]))
            if above is not None:
                return concept in above.concepts
        return False

    whole: list[str] = []
    single: list[str] = []
    for code in codes:
        below = prefix.get((system.value, code))
        reaches = below is not None and concept in below.concepts
        if not is_inside(code):
            (whole if reaches else single).append(code)
        elif below is not None and not reaches:
            single.append(code)
    out: list[str] = []
    headed = _headed(catalogue).get(system.value, ())
    for each in whole:
        for place in range(bisect_right(headed, each), len(headed)):
            if not headed[place].startswith(each):
                break
            inner = prefix[system.value, headed[place]]
            if concept not in inner.concepts and is_inside(headed[place]):
                out.append(headed[place])
    return whole, single, out


def _written(code: str, system: System) -> str:
    """A bare code as its classification writes it: C34.1."""
    if system is System.ATC or len(code) <= _ICD_CATEGORY:
        return code
    return f"{code[:_ICD_CATEGORY]}.{code[_ICD_CATEGORY:]}"


def _machine_name(concept: str) -> str:
    name = "".join(each.title() for each in concept.split("-"))
    return name if name[:1].isalpha() else f"Concept{name}"


def _by_id(concept: Concept) -> str:
    return concept.id
