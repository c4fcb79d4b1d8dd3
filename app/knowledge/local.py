"""A site's own codes: what its ConceptMaps and CodeSystem supplements say of codes that the catalogue does not know.

A mapped code is placed where the code that it is mapped to is placed: as the same where the map says equivalent, as a
kind of it where its own meaning is narrower, only as vague where that is broader or the map is not certain. What the
catalogue knows by itself is never mapped anew; a map may settle which drug an ATC code is where the catalogue, which
has few of these codes, only knows its group. Names that a supplement adds to codes are looked for in the words of
records, where they raise a doubt as the catalogue's own names do, and prove nothing.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import astuple, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from app.knowledge.catalogue import NOWHERE, PREFIX_SYSTEMS, Placement, SiteNames, System, bare_code

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.knowledge.catalogue import Catalogue, CodeIndex

_ATC_SUBSTANCE = 7


class Relation(StrEnum):
    """What a map says of its own code, seen from the code that it is mapped to."""

    SAME = "same"
    NARROWER = "narrower"  # it is what it is mapped to, and something more particular besides
    VAGUE = "vague"  # broader, or related in a way that is not said


@dataclass(frozen=True, slots=True, order=True)
class LocalCode:
    """One line of a map. Systems are URIs; `map` is the map's URL, with its version where it has one."""

    system: str
    code: str
    target_system: str
    target_code: str
    relation: Relation
    map: str


@dataclass(frozen=True, slots=True, order=True)
class LocalName:
    """A further name of a code, which may be any code; `source` is the supplement's URL, with its version if any."""

    system: str
    code: str
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class SiteCodes:
    """All that a site has told of codes, in one order, so that two that say the same are equal."""

    codes: tuple[LocalCode, ...] = ()
    names: tuple[LocalName, ...] = ()

    @classmethod
    def of(cls, codes: Iterable[LocalCode], names: Iterable[LocalName] = ()) -> SiteCodes:
        """Sorted, each line once."""
        return cls(tuple(sorted(set(codes))), tuple(sorted(set(names))))


def with_site_codes(catalogue: Catalogue, site: SiteCodes) -> Catalogue:
    """The catalogue with a site's codes and names besides; itself where none of them says anything new."""
    return _with_names(with_local_codes(catalogue, site.codes), site.names)


def _with_names(catalogue: Catalogue, names: Iterable[LocalName]) -> Catalogue:
    """Names go to the most particular things that their code is: what is wider is named by them too."""
    index = catalogue.index
    concepts: defaultdict[str, dict[str, str]] = defaultdict(dict)
    results: defaultdict[str, dict[str, str]] = defaultdict(dict)
    used: list[LocalName] = []
    for each in sorted(set(names)):
        key = _key(catalogue, each.system, each.code)
        placed = index.place(*key).concepts
        wider = {one for one in placed if any(one != part and part in index.closure[one] for part in placed)}
        measured = (*index.analytes.get(key, ()), *index.scales.get(key, ()))
        for one in placed - wider:
            concepts[one].setdefault(each.name, each.source)
        for one in measured:
            results[one].setdefault(each.name, each.source)
        if placed or measured:
            used.append(each)
    if not used:
        return catalogue
    return replace(catalogue, site_names=SiteNames(concepts, results), digest=_digest(catalogue, used))


def _digest(catalogue: Catalogue, used: Iterable[LocalCode | LocalName]) -> str:
    told = "\n".join([catalogue.digest, *(repr(astuple(each)) for each in used)])
    return f"sha256:{hashlib.sha256(told.encode()).hexdigest()}"


def with_local_codes(catalogue: Catalogue, codes: Iterable[LocalCode]) -> Catalogue:
    """The catalogue with these codes besides; the catalogue itself where none of them says anything new."""
    index = catalogue.index
    grouped: defaultdict[tuple[str, str], list[LocalCode]] = defaultdict(list)
    for each in sorted(set(codes)):
        key = _key(catalogue, each.system, each.code)
        # A code that is listed as vague, or as none of a concept, is known too: a map must not overrule that.
        fresh = index.place(*key) is NOWHERE and key not in index.analytes and key not in index.scales
        if fresh or _is_open_drug(index, key):
            grouped[key].append(each)
    exact, analytes, scales = dict(index.exact), dict(index.analytes), dict(index.scales)
    named: dict[tuple[str, str], str] = {}
    used: list[LocalCode] = []
    for key, lines in grouped.items():
        placed = [(each, _placement(catalogue, each)) for each in lines]
        concepts = frozenset[str]().union(*(placement.concepts for _, placement in placed))
        vague = frozenset[str]().union(*(placement.vague for _, placement in placed)) - concepts
        placement = Placement(concepts, vague, known=any(each.known for _, each in placed))
        if _is_open_drug(index, key):
            own = index.place(*key)
            settled = concepts & own.vague
            if not settled:
                continue
            left = frozenset() if placement.known else own.vague - settled
            placement = Placement(own.concepts | settled, left, known=own.known)
        certain = [
            _key(catalogue, each.target_system, each.target_code)
            for each in lines
            if each.relation is not Relation.VAGUE
        ]
        results = tuple(dict.fromkeys(one for each in certain for one in index.analytes.get(each, ())))
        ranks = tuple(dict.fromkeys(one for each in certain for one in index.scales.get(each, ())))
        if not (placement.concepts or placement.vague or results or ranks):
            continue  # what it is mapped to is not known here either
        exact[key] = placement
        analytes |= {key: results} if results else {}
        scales |= {key: ranks} if ranks else {}
        named[key] = " ".join(dict.fromkeys(each.map for each in lines))
        used += lines
    if not used:
        return catalogue
    local = replace(index, exact=exact, analytes=analytes, scales=scales, local=named, memo={})
    return replace(catalogue, index=local, digest=_digest(catalogue, used))


def _is_open_drug(index: CodeIndex, key: tuple[str, str]) -> bool:
    """Whether it is the whole ATC code of a substance of which the catalogue knows the group only."""
    system, code = key
    whole = system == System.ATC and len(code) == _ATC_SUBSTANCE and key not in index.exact
    return whole and bool(index.place(*key).vague)


def _key(catalogue: Catalogue, uri: str, code: str) -> tuple[str, str]:
    """A code as the index keeps it: the system's short name where the catalogue has one, prefix codes bare."""
    system = catalogue.systems.get(uri)
    if system is None:
        return uri, code
    return system.value, bare_code(code) if system in PREFIX_SYSTEMS else code


def _placement(catalogue: Catalogue, line: LocalCode) -> Placement:
    """Where a mapped code is.

    A narrower one is what it is mapped to, but not known as nothing else: a "heart attack" that is mapped to heart
    disease is no evidence that there was no infarction. A vague one is nothing for certain.
    """
    found = catalogue.index.place(*_key(catalogue, line.target_system, line.target_code))
    match line.relation:
        case Relation.SAME:
            return found
        case Relation.NARROWER:
            return Placement(found.concepts, found.vague, known=False)
        case Relation.VAGUE:
            return Placement(frozenset(), found.concepts | found.vague, known=False)
