"""The records of one family by what they are coded with, so that a question looks at each code only once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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
    """A resource about the patient. In `doubt` it decides nothing, and nothing may be concluded from its absence
    either.

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
        terms = self.terms
        return terms[0].known or (len(terms) > 1 and any(each.known for each in terms))

    def coding_of(self, concept: str, match: Match) -> Coding | None:
        """The coding by which it bears on a concept."""
        return next(filter(None, (each.coding_of(concept, match) for each in self.terms)), None)


class FamilyIndex:
    """Answers which records bear on a concept."""

    def __init__(self, family: Family, vocabulary: Vocabulary) -> None:
        self._family = family
        self._vocabulary = vocabulary
        self._groups: dict[int | tuple[int, ...], Group] = {}
        self._is: dict[str, list[Group]] = {}
        self._vague: dict[str, list[Group]] = {}
        self._unknown: list[Group] = []
        self.answers: dict[str, tuple[Any, ...]] = {}
        """Hits by concept, kept here for the chart."""
        self._words: tuple[list[tuple[Group, frozenset[str]]], list[Group]] | None = None

    @property
    def groups(self) -> tuple[Group, ...]:
        """All of them."""
        return tuple(self._groups.values())

    def add(self, record: Record, terms: tuple[Term, ...]) -> None:
        """Take in a record. Terms are told apart by identity: the same codes are the same term in one chart."""
        key = id(terms[0]) if len(terms) == 1 else tuple(map(id, terms))
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

    def touched(self) -> frozenset[str] | None:
        """The concepts that some record may bear on; None where one may bear on any."""
        found = frozenset(self._is).union(self._vague)
        if not self._unknown:
            return found
        naming, unplaced = self._by_words()
        if unplaced:
            return None
        wider = self._vocabulary.wider
        return found.union(*(wider[each] for _, concepts in naming for each in concepts))

    def bearing_on(self, concept: str) -> Iterator[tuple[Group, Match]]:
        """The groups that bear on a concept, each once, by its strongest match."""
        yield from ((group, Match.IS) for group in self._is.get(concept, ()))
        vague = self._vague.get(concept, ())
        yield from ((group, Match.VAGUE) for group in vague)
        if not self._unknown:
            return
        naming, unplaced = self._by_words()
        meant = self._vocabulary.catalogue.index.closure.get(concept, frozenset({concept}))
        named = [
            group
            for group, concepts in naming
            if not meant.isdisjoint(concepts) and group not in vague and not self._speaks_of_another(group, concept)
        ]
        yield from ((group, Match.NAMED) for group in named)
        yield from ((group, Match.UNPLACED) for group in unplaced if group not in named and group not in vague)

    def _by_words(self) -> tuple[list[tuple[Group, frozenset[str]]], list[Group]]:
        """Of the groups that are not known: those that name something, and those that may mean anything."""
        if self._words is None:
            naming, unplaced = [], []
            for group in self._unknown:
                concepts = frozenset[str]().union(*(each.named() for each in group.terms))
                if concepts:
                    naming.append((group, concepts))
                if all(each.is_unplaced(self._family) for each in group.terms):
                    unplaced.append(group)
            self._words = naming, unplaced
        return self._words

    def _speaks_of_another(self, group: Group, concept: str) -> bool:
        names = self._vocabulary.concepts
        if concept not in names.not_named:
            return False
        return all(
            names.speaks_of_another(concept, fold(" ".join(each.texts()))) for each in group.terms if each.named()
        )
