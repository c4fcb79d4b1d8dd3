"""The records of one family by what they are coded with, so that a question looks at each code only once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from app.evaluator.facts import Match, Source
from app.fhir.names import fold
from app.fhir.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.evaluator.facts import Coding
    from app.fhir.terms import Term, Vocabulary
    from app.knowledge.catalogue import Family


class Record(msgspec.Struct, gc=False, eq=False):
    """A resource about the patient. In `doubt` it decides nothing, and nothing may be concluded from its absence either.

    `terms` and `fact` are what it was read as, once somebody asked.
    """

    reference: str
    type: str
    resource: Resource
    doubt: bool = False
    terms: object | None = None
    fact: object | None = None

    @property
    def source(self) -> Source:
        """Where its facts stand."""
        return Source(self.reference, self.type)


@dataclass(slots=True, eq=False)
class Group:
    """Records with the same codings and text; a drug has the terms of its ingredients besides its own."""

    terms: tuple[Term, ...]
    records: list[Record] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Whether the catalogue knows one of the codes."""
        return any(each.known for each in self.terms)

    def coding_of(self, concept: str, match: Match) -> Coding | None:
        """The coding by which it bears on a concept."""
        return next(filter(None, (each.coding_of(concept, match) for each in self.terms)), None)


class FamilyIndex:
    """Answers which records bear on a concept."""

    def __init__(self, family: Family, vocabulary: Vocabulary) -> None:
        self._family = family
        self._vocabulary = vocabulary
        self._groups: dict[tuple[int, ...], Group] = {}
        self._is: dict[str, list[Group]] = {}
        self._vague: dict[str, list[Group]] = {}
        self._unknown: list[Group] = []

    @property
    def groups(self) -> tuple[Group, ...]:
        """All of them."""
        return tuple(self._groups.values())

    def add(self, record: Record, terms: tuple[Term, ...]) -> None:
        """Take in a record. Terms are told apart by identity: the same codes are the same term in one chart."""
        key = tuple(map(id, terms))
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(terms)
            self._enter(group)
        group.records.append(record)

    def _enter(self, group: Group) -> None:
        terms = group.terms
        concepts, vague = terms[0].concepts, terms[0].vague
        if len(terms) > 1:
            concepts = concepts.union(*(each.concepts for each in terms[1:]))
            vague = vague.union(*(each.vague for each in terms[1:])) - concepts
        for each in concepts:
            self._is.setdefault(each, []).append(group)
        for each in vague:
            self._vague.setdefault(each, []).append(group)
        if not group.known:
            self._unknown.append(group)

    def unknown_codes(self) -> int:
        """How many records have no code that the catalogue knows."""
        return sum(len(each.records) for each in self._unknown)

    def bearing_on(self, concept: str) -> Iterator[tuple[Group, Match]]:
        """The groups that bear on a concept, each once, by its strongest match."""
        yield from ((group, Match.IS) for group in self._is.get(concept, ()))
        vague = self._vague.get(concept, ())
        yield from ((group, Match.VAGUE) for group in vague)
        if not self._unknown:
            return
        meant = self._vocabulary.catalogue.index.closure.get(concept, frozenset({concept}))
        for group in self._unknown:
            if group in vague:
                continue
            if any(self._names(each, concept, meant) for each in group.terms):
                yield group, Match.NAMED
            elif all(each.is_unplaced(self._family) for each in group.terms):
                yield group, Match.UNPLACED

    def _names(self, term: Term, concept: str, meant: frozenset[str]) -> bool:
        if meant.isdisjoint(term.named()):
            return False
        names = self._vocabulary.concepts
        return not any(names.speaks_of_another(concept, fold(each)) for each in term.texts())
