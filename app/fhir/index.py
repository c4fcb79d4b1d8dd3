"""The records of one family grouped by what they are coded with, so that a question looks at each code only once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.evaluator.facts import Coded, Coding, Match
from app.fhir.names import fold
from app.knowledge.catalogue import Family, System

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.evaluator.facts import Source
    from app.fhir.names import NameIndex
    from app.fhir.resources import Resource
    from app.knowledge.catalogue import Catalogue, Placement

_DRUG_SYSTEMS = frozenset({System.RXNORM, System.ATC})


@dataclass(slots=True, eq=False)
class Record:
    """A resource about the patient. In `doubt` it decides nothing, and nothing may be concluded from its absence either.

    `fact` is what it was read as, once somebody asked.
    """

    source: Source
    resource: Resource
    doubt: bool
    fact: object | None = None


@dataclass(slots=True, eq=False)
class Group:
    """Records with the same codings and text, and what the catalogue knows of them."""

    codes: tuple[Coded, ...]
    placed: tuple[tuple[Coding, Placement], ...]
    known: bool
    unplaced: bool
    records: list[Record] = field(default_factory=list)
    _named: frozenset[str] | None = None

    def texts(self) -> Iterator[str]:
        """The words that the records use."""
        for each in self.codes:
            yield from (coding.display for coding in each.codings if coding.display)
            if each.text:
                yield each.text

    def named(self, names: NameIndex) -> frozenset[str]:
        """The concepts that the words name; none where the catalogue knows the code, for then the code speaks."""
        if self._named is None:
            self._named = frozenset() if self.known else names.named_in(self.texts())
        return self._named

    def coding_of(self, concept: str, match: Match) -> Coding | None:
        """The coding by which the group bears on a concept; None where it was by its text alone."""
        for coding, placement in self.placed:
            if concept in (placement.concepts if match is Match.IS else placement.vague):
                return coding
        return self.placed[0][0] if self.placed and match in {Match.NAMED, Match.UNPLACED} else None


def make_group(codes: tuple[Coded, ...], family: Family, catalogue: Catalogue) -> Group:
    """What the catalogue knows of these codings.

    They are unplaced, so that anything may be meant, where there is no coding of a system that the catalogue has, or
    where they are a drug's and the drug is not known.
    """
    place = catalogue.index.place
    systems = catalogue.systems.values()
    placed = tuple(
        (coding, place(coding.system, coding.code)) for each in codes for coding in each.codings if coding.code
    )
    known = any(placement.known for _, placement in placed)
    in_systems = [coding.system for coding, _ in placed if coding.system in systems]
    drug = family is Family.MEDICATION or any(each in _DRUG_SYSTEMS for each in in_systems)
    return Group(codes, placed, known, unplaced=not known and (drug or not in_systems))


class FamilyIndex:
    """Answers which records bear on a concept."""

    def __init__(self, family: Family, catalogue: Catalogue) -> None:
        self.family = family
        self.catalogue = catalogue
        self.groups: dict[tuple[int, ...], Group] = {}
        self._is: dict[str, list[Group]] = {}
        self._vague: dict[str, list[Group]] = {}
        self._unknown: list[Group] = []

    def add(self, record: Record, codes: tuple[Coded, ...]) -> None:
        """Take in a record. `codes` are interned: the same codings are the same object."""
        key = tuple(map(id, codes))
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = make_group(codes, self.family, self.catalogue)
            self._enter(group)
        group.records.append(record)

    def _enter(self, group: Group) -> None:
        concepts = frozenset[str]().union(*(placement.concepts for _, placement in group.placed))
        vague = frozenset[str]().union(*(placement.vague for _, placement in group.placed)) - concepts
        for each in concepts:
            self._is.setdefault(each, []).append(group)
        for each in vague:
            self._vague.setdefault(each, []).append(group)
        if not group.known:
            self._unknown.append(group)

    def unknown_codes(self) -> int:
        """How many records have no code that the catalogue knows."""
        return sum(len(each.records) for each in self._unknown)

    def bearing_on(self, concept: str, names: NameIndex) -> Iterator[tuple[Group, Match]]:
        """The groups that bear on a concept, each once, by its strongest match."""
        done: set[int] = set()
        for match, groups in ((Match.IS, self._is.get(concept, ())), (Match.VAGUE, self._vague.get(concept, ()))):
            for group in groups:
                done.add(id(group))
                yield group, match
        meant = self.catalogue.index.closure.get(concept, frozenset({concept}))
        for group in self._unknown:
            if id(group) in done:
                continue
            if not meant.isdisjoint(group.named(names)) and not _another(names, concept, group.texts()):
                yield group, Match.NAMED
            elif group.unplaced:
                yield group, Match.UNPLACED


def _another(names: NameIndex, concept: str, texts: Iterable[str]) -> bool:
    if concept not in names.not_named:
        return False
    return any(names.speaks_of_another(concept, fold(each)) for each in texts)
