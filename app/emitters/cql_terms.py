"""What CQL needs of the catalogue: value sets of listed codes, starts of classified codes, words that name."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from app.knowledge.catalogue import PREFIX_SYSTEMS, Family, System

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.knowledge.catalogue import Analyte, Catalogue, Code, Scale

_ALONE = "|"


@dataclass(frozen=True, slots=True)
class CqlValueSet:
    """A value set in which codes are looked up: its name, its address, and (system URI, code) of each member."""

    name: str
    url: str
    members: tuple[tuple[str, str], ...]

    @property
    def id(self) -> str:
        """The logical id of its ValueSet, the end of its address."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Starts:
    """Codes of classifications by how they begin: in where the longest match is of `inside`, not of `outside`."""

    inside: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConceptTerms:
    """How records name a concept: codes that are it, and codes and words that may mean it."""

    members: tuple[tuple[str, str], ...]
    starts: Starts
    wider: tuple[tuple[str, str], ...]
    wider_starts: Starts
    words: tuple[str, ...]


def canonical_uri(catalogue: Catalogue, system: System) -> str:
    """The URI by which FHIR names a code system: the first of those that the catalogue lists for it."""
    return next(uri for uri, each in catalogue.systems.items() if each is system)


@lru_cache(maxsize=4096)
def terms_of(concept: str, catalogue: Catalogue) -> ConceptTerms:
    """The terms of one concept."""
    is_, wider = _listed(catalogue)
    return ConceptTerms(
        is_.get(concept, ()),
        _starts(concept, catalogue, wide=False),
        wider.get(concept, ()),
        _starts(concept, catalogue, wide=True),
        _words(concept, catalogue),
    )


def members_of(codes: Iterable[Code], catalogue: Catalogue) -> tuple[tuple[str, str], ...]:
    """The codes of an analyte, a scale or a list of words, each with every URI that its system is known by."""
    found = {
        (uri, each.code)
        for each in codes
        for uri, system in catalogue.systems.items()
        if system is each.system and (each.system is System.INTERPRETATION or uri == canonical_uri(catalogue, system))
    }
    return tuple(sorted(found))


def wider_set(concept: str, catalogue: Catalogue, base: str) -> CqlValueSet:
    """The codes that are less specific than a concept, or it."""
    members = _listed(catalogue)[1].get(concept, ())
    return CqlValueSet(f"{concept} or wider", f"{base}/ValueSet/{concept}-wider", members)


def wider_concepts(catalogue: Catalogue) -> tuple[str, ...]:
    """The concepts that have a wider set."""
    return tuple(each for each in catalogue.concepts if _listed(catalogue)[1].get(each))


def result_set(of: Analyte | Scale, catalogue: Catalogue, base: str) -> CqlValueSet:
    """The codes of results of an analyte or scale."""
    return CqlValueSet(f"{of.id} result", f"{base}/ValueSet/{of.id}-result", members_of(of.codes, catalogue))


def results_in(catalogue: Catalogue) -> Mapping[str, Analyte | Scale]:
    """All that results are of, by id."""
    return {**catalogue.scales, **catalogue.analytes}


def starts_with_codes(starts: Starts) -> bool:
    """Whether any code of a classification is meant at all."""
    return bool(starts.inside)


@lru_cache(maxsize=2)
def known_drugs(catalogue: Catalogue) -> tuple[tuple[str, str], ...]:
    """The codes of drugs and vaccines that the catalogue can place: where one is another drug, absence is certain."""
    given = (Family.MEDICATION, Family.IMMUNIZATION)
    uris = {each: canonical_uri(catalogue, each) for each in System}
    return tuple(
        sorted(
            (uris[System(system)], code)
            for (system, code), placement in catalogue.index.exact.items()
            if placement.known
            and (
                system in {System.RXNORM, System.CVX}
                or (
                    system not in PREFIX_SYSTEMS
                    and any(one in given for each in placement.concepts for one in catalogue.concepts[each].families)
                )
            )
        )
    )


@lru_cache(maxsize=2)
def _listed(catalogue: Catalogue) -> tuple[Mapping[str, tuple[tuple[str, str], ...]], ...]:
    """Concept -> the members of exact systems that are it; and those that are less specific."""
    sure: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    wide: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    uris = {each.value: canonical_uri(catalogue, each) for each in System}
    for (system, code), placement in catalogue.index.exact.items():
        if system not in PREFIX_SYSTEMS:
            for each in placement.concepts:
                sure[each].append((uris[system], code))
            for each in placement.vague:
                wide[each].append((uris[system], code))
    return tuple({each: tuple(sorted(codes)) for each, codes in found.items()} for found in (sure, wide))


@lru_cache(maxsize=2)
def _trees(catalogue: Catalogue) -> Mapping[tuple[str, bool], tuple[tuple[str, str], ...]]:
    """(Concept, wide) -> the codes of classifications that say something of it."""
    found: defaultdict[tuple[str, bool], set[tuple[str, str]]] = defaultdict(set)
    for table in (catalogue.index.exact, catalogue.index.prefix):
        for (system, code), placement in table.items():
            if system in PREFIX_SYSTEMS:
                for each in placement.concepts:
                    found[each, False].add((system, code))
                for each in placement.vague:
                    found[each, True].add((system, code))
    return {key: tuple(sorted(codes)) for key, codes in found.items()}


@lru_cache(maxsize=2)
def _beneath(catalogue: Catalogue) -> Mapping[str, tuple[str, ...]]:
    """System -> all codes of the index in order, so that those beneath one stand next to it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for table in (catalogue.index.exact, catalogue.index.prefix):
        for system, code in table:
            if system in PREFIX_SYSTEMS:
                found[system].add(code)
    return {system: tuple(sorted(codes)) for system, codes in found.items()}


def _starts(concept: str, catalogue: Catalogue, *, wide: bool) -> Starts:
    """The shortest lists from which the longest match answers as the index does.

    Walked from the shorter codes to the longer: an entry is written only where it says otherwise than what is above.
    """
    index = catalogue.index

    def says(table: Mapping[tuple[str, str], object], system: str, code: str) -> bool:
        placement = table[system, code]
        return concept in (placement.vague if wide else placement.concepts)  # type: ignore[attr-defined]

    written: dict[str, bool] = {}

    def above(system: str, code: str) -> bool:
        for end in range(len(code), 0, -1):
            found = written.get(f"{system}:{code[:end]}")
            if found is not None:
                return found
        return False

    own = _trees(catalogue).get((concept, wide), ())
    for system, codes in groupby(own, key=lambda each: each[0]):
        tops = _tops([code for _, code in codes])
        asked = [code for code in _beneath(catalogue)[system] if any(code.startswith(each) for each in tops)]
        for code in sorted(asked, key=lambda each: (len(each), each)):
            if (system, code) in index.prefix:
                below = says(index.prefix, system, code)
                if below != above(system, code):
                    written[f"{system}:{code}"] = below
            if (system, code) in index.exact:
                itself = says(index.exact, system, code)
                if itself != above(system, code):
                    written[f"{system}:{code}{_ALONE}"] = itself
    return Starts(
        tuple(sorted(each for each, inside in written.items() if inside)),
        tuple(sorted(each for each, inside in written.items() if not inside)),
    )


def _tops(codes: list[str]) -> list[str]:
    found: list[str] = []
    for each in sorted(codes):
        if not found or not each.startswith(found[-1]):
            found.append(each)
    return found


def _words(concept: str, catalogue: Catalogue) -> tuple[str, ...]:
    """The names of the concept and of its kinds, as `Fold` leaves words; none that contains another."""
    names = {
        tuple(fold(name).split())
        for each in catalogue.index.closure.get(concept, frozenset({concept}))
        for name in (catalogue.concepts[each].name, *catalogue.concepts[each].names)
    }
    names.discard(())
    shortest = [each for each in names if not any(_inside(other, each) for other in names if other != each)]
    return tuple(sorted(" ".join(each) for each in shortest))


def _inside(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    """Whether what `whole` finds, `part` finds too."""
    span = len(part)
    return span < len(whole) and any(whole[start : start + span] == part for start in range(len(whole) - span + 1))


def fold(text: str) -> str:
    """The words of a text without their endings, in one spelling: what the CQL function `Fold` does."""
    words = re.sub(r"[\W_]+", " ", re.sub(r"[’']s\b", "", text.lower(), flags=re.ASCII), flags=re.ASCII)
    words = re.sub(r"[esiy]+\b", "", words.replace("ae", "e").replace("oe", "e"), flags=re.ASCII)
    words = re.sub(r"our\b", "or", words, flags=re.ASCII).replace("isation", "ization")
    return f" {' '.join(words.split())} "
