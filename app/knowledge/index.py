"""Builds the code index: which concepts a code is, and which it is only less specific than.

A code is in a concept when it is one of the concept's codes or of those it includes; in the prefix systems the longest
matching entry decides, and `without` is an entry that says no. It is *vague* for a concept when a record with that code
may mean the concept and may not:
- it is listed as `broader` or `suggests`;
- it is one of the general codes of a concept in `broader_concepts`;
- it is the classification's own heading over a code of the concept;
- it is vague for a concept that this one includes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.knowledge.catalogue import NOWHERE, PREFIX_SYSTEMS, Code, CodeIndex, Placement, System, bare_code
from app.knowledge.drug_concepts import leave_drugs_open

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping

    from app.knowledge.catalogue import Analyte, Concept, Drug, Product, Scale

_ICD_CATEGORY = 3  # C79
_ICD_AGREED = 4  # C79.3: as far as ICD-10 and ICD-10-CM say the same
_WHOLE = 1_000_000  # a length that no code has: codes of the exact systems are looked up whole
_ICD = frozenset({System.ICD10, System.ICD10CM})


class IncludesItself(Exception):
    """A concept that includes itself, directly or through others; `ring` are the ids on the way."""

    def __init__(self, ring: tuple[str, ...]) -> None:
        super().__init__(" -> ".join(ring))
        self.ring = ring


def build_index(
    concepts: Mapping[str, Concept],
    analytes: Mapping[str, Analyte],
    scales: Mapping[str, Scale],
    drugs: Mapping[str, Drug],
    products: Mapping[str, Product],
) -> CodeIndex:
    """The index of all of them.

    Every id that a concept names must exist. IncludesItself is raised where `includes` has a ring.
    """
    order = _included_first(concepts)
    closure: dict[str, frozenset[str]] = {}
    for each in order:
        closure[each] = frozenset({each}).union(*(closure[part] for part in concepts[each].includes))
    builder = _Builder(order, concepts, closure)
    exact, prefix = builder.placements()
    leave_drugs_open(exact, prefix, concepts, closure)
    _add_drugs(exact, drugs, products)
    return CodeIndex(exact, prefix, _by_code(analytes.values()), _by_code(scales.values()), closure)


def codes_beneath(code: Code) -> tuple[str, ...]:
    """The bare code, or for a block of the classification (`C00-C96`) its categories."""
    first, dash, last = code.code.partition("-")
    if code.system not in _ICD or not dash or len(first) != _ICD_CATEGORY or len(last) != _ICD_CATEGORY:
        return (bare_code(code.code) if code.system in PREFIX_SYSTEMS else code.code,)
    letters = [chr(each) for each in range(ord(first[0]), ord(last[0]) + 1)]
    ends = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    every = (f"{letter}{tens}{ones}" for letter in letters for tens in "0123456789" for ones in ends)
    return tuple(each for each in every if first <= each <= last)


def _included_first(concepts: Mapping[str, Concept]) -> tuple[str, ...]:
    done: dict[str, None] = {}

    def visit(each: str, way: tuple[str, ...]) -> None:
        if each in way:
            raise IncludesItself((*way[way.index(each) :], each))
        if each not in done:
            for part in concepts[each].includes:
                visit(part, (*way, each))
            done[each] = None

    for each in concepts:
        visit(each, ())
    return tuple(done)


def _by_code(entries: Iterable[Analyte] | Iterable[Scale]) -> dict[tuple[str, str], tuple[str, ...]]:
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in entries:
        for code in dict.fromkeys((each.system.value, each.code) for each in entry.codes):
            found[code].append(entry.id)
    return {code: tuple(ids) for code, ids in found.items()}


def _add_drugs(
    exact: dict[tuple[str, str], Placement], drugs: Mapping[str, Drug], products: Mapping[str, Product]
) -> None:
    """A drug of the list is known though no concept has it; a product is known when each of its ingredients is."""
    for rxcui in drugs:
        own = exact.get((System.RXNORM, rxcui), NOWHERE)
        exact[System.RXNORM, rxcui] = Placement(own.concepts, own.vague, known=True)
    ingredients_only = dict(exact)
    for product in products.values():
        found = [ingredients_only.get((System.RXNORM, each), NOWHERE) for each in product.ingredients]
        own = ingredients_only.get((System.RXNORM, product.rxcui), NOWHERE)
        if own is NOWHERE and len(found) == 1:
            exact[System.RXNORM, product.rxcui] = found[0]
            continue
        concepts = own.concepts.union(*(each.concepts for each in found))
        vague = own.vague.union(*(each.vague for each in found)) - concepts
        known = own.known or (bool(found) and all(each.known for each in found))
        exact[System.RXNORM, product.rxcui] = Placement(concepts, vague, known=known)


@dataclass(slots=True)
class _Entries:
    """What the concepts say of one code: of it alone, or (`yes`, `no`, `..._below`) of all beneath it too."""

    yes: set[str] = field(default_factory=set)
    no: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)
    maybe_below: set[str] = field(default_factory=set)
    general: set[str] = field(default_factory=set)
    """Concepts that another calls broader as a whole: this is one of their own codes."""
    general_below: set[str] = field(default_factory=set)
    """The same, for what lies beneath."""

    def reaches_below(self) -> bool:
        """Whether anything is said of the codes beneath."""
        return bool(self.yes or self.no or self.maybe_below or self.general_below)


class _Builder:
    """Collects the entries of every concept, then answers for each code that has any."""

    def __init__(
        self, order: tuple[str, ...], concepts: Mapping[str, Concept], closure: Mapping[str, frozenset[str]]
    ) -> None:
        self.order = {each: place for place, each in enumerate(order)}
        self.concepts = concepts
        self.closure = closure
        self.entries: defaultdict[tuple[str, str], _Entries] = defaultdict(_Entries)
        self.holders: defaultdict[str, set[str]] = defaultdict(set)
        self.narrower: defaultdict[str, set[str]] = defaultdict(set)
        self.placed: dict[Hashable, Placement] = {}
        self.own = {each: tuple(self._spread(concepts[each].codes)) for each in order}
        for each in order:
            for part in closure[each]:
                self.holders[part].add(each)
            for broader in concepts[each].broader_concepts:
                self.narrower[broader].add(each)
        for each in order:
            self._collect(concepts[each])

    def placements(self) -> tuple[dict[tuple[str, str], Placement], dict[tuple[str, str], Placement]]:
        """For each code as it stands, and (prefix systems) for what lies beneath it."""
        exact: dict[tuple[str, str], Placement] = {}
        prefix: dict[tuple[str, str], Placement] = {}
        for (system, code), entries in self.entries.items():
            exact[system, code] = self._place(system, code, beneath=False)
            if system in PREFIX_SYSTEMS and entries.reaches_below():
                prefix[system, code] = self._place(system, code, beneath=True)
        return exact, prefix

    # -- collecting

    def _collect(self, concept: Concept) -> None:
        for system, code, sure in self.own[concept.id]:
            if sure:
                self.entries[system, code].yes.add(concept.id)
                self._collect_general(concept, system, code)
            else:
                self._collect_vague(concept, system, code)
            for heading in _headings(system, code):
                self.entries[system, heading].maybe.add(concept.id)
        for system, code, sure in self._spread(concept.without):
            self.entries[system, code].no.add(concept.id)
            if not sure:
                self._collect_vague(concept, system, code)
        for system, code, _ in self._spread(concept.broader):
            self._collect_broader(concept, system, code)
        for system, code, _ in self._spread(concept.suggests):
            self._collect_vague(concept, system, code)

    def _collect_vague(self, concept: Concept, system: str, code: str) -> None:
        """The code and what lies beneath it may mean the concept."""
        self.entries[system, code].maybe.add(concept.id)
        self.entries[system, code].maybe_below.add(concept.id)

    def _collect_general(self, concept: Concept, system: str, code: str) -> None:
        """An own code of a concept that others call broader as a whole."""
        if concept.id in self.narrower:
            self.entries[system, code].general.add(concept.id)
            if system in _ICD:  # what no included concept claims; a whole ATC code is never general
                self.entries[system, code].general_below.add(concept.id)

    def _collect_broader(self, concept: Concept, system: str, code: str) -> None:
        """A code listed as broader.

        Beneath an ancestor of the concept's own codes lie its siblings, which are something else, and "unspecified";
        beneath a code off that line lies more of the same vagueness.
        """
        parts = self.closure[concept.id]
        if system in PREFIX_SYSTEMS and any(
            theirs == system and mine.startswith(code) for part in parts for theirs, mine, _ in self.own[part]
        ):
            self.entries[system, code].maybe.add(concept.id)
            for unspecified in _unspecified(system, code):
                self._collect_vague(concept, system, unspecified)
        else:
            self._collect_vague(concept, system, code)

    @staticmethod
    def _spread(codes: tuple[Code, ...]) -> Iterator[tuple[str, str, bool]]:
        """System, bare code, and whether it says so for sure.

        A list without ICD-10 codes lends its ICD-10-CM codes to ICD-10, as far as the two agree; beyond that, the
        ICD-10 code is wider, and sure of nothing.
        """
        lends = all(each.system is not System.ICD10 for each in codes)
        for each in codes:
            for code in codes_beneath(each):
                yield each.system.value, code, True
                if lends and each.system is System.ICD10CM:
                    yield System.ICD10.value, code[:_ICD_AGREED], len(code) <= _ICD_AGREED

    # -- answering

    def _place(self, system: str, code: str, *, beneath: bool) -> Placement:
        yes: dict[str, int] = {}
        no: dict[str, int] = {}
        maybe: set[str] = set()
        generals: set[str] = set()
        for length in range(1, len(code) + 1) if system in PREFIX_SYSTEMS else (_WHOLE,):
            entries = self.entries.get((system, code[:length]))
            if entries is not None:
                yes.update(dict.fromkeys(entries.yes, length))
                no.update(dict.fromkeys(entries.no, length))
                maybe |= entries.maybe_below
                generals |= entries.general_below
        if not beneath:
            maybe |= self.entries[system, code].maybe
            generals |= self.entries[system, code].general
        # Thousands of codes say the same; it is worked out once.
        key = (frozenset(yes.items()), frozenset(no.items()), frozenset(maybe), frozenset(generals))
        if key not in self.placed:
            self.placed[key] = self._placement(yes, no, maybe, generals)
        return self.placed[key]

    def _placement(
        self, yes: Mapping[str, int], no: Mapping[str, int], maybe: set[str], generals: set[str]
    ) -> Placement:
        members = self._members(yes, no)
        for general in generals:
            if members.isdisjoint(self.closure[general] - {general}):
                maybe |= self.narrower[general]
        vague = {holder for each in maybe if each not in members for holder in self.holders[each]} - members
        return Placement(frozenset(members), frozenset(vague), known=bool(members))

    def _members(self, yes: Mapping[str, int], no: Mapping[str, int]) -> set[str]:
        reached = {holder for each in yes for holder in self.holders[each]}
        found: dict[str, int] = {}
        for each in sorted(reached, key=self.order.__getitem__):
            best = max((yes.get(each, 0), *(found.get(part, 0) for part in self.concepts[each].includes)))
            if best > no.get(each, 0):
                found[each] = best
        return set(found)


def _headings(system: str, code: str) -> Iterator[str]:
    """The classification's own headings over a code: they say less than it does. ATC has them at 1, 3, 4 and 5."""
    if system in _ICD:
        yield from (code[:end] for end in range(_ICD_CATEGORY, len(code)))
    elif system == System.ATC:
        yield from (code[:end] for end in (3, 4, 5) if end < len(code))


def _unspecified(system: str, code: str) -> tuple[str, ...]:
    """The "unspecified" codes under an ICD heading: digit 9 in the fourth place, 9 or 0 after it."""
    if system not in _ICD:
        return ()
    return (f"{code}9",) if len(code) <= _ICD_CATEGORY else (f"{code}9", f"{code}0")
