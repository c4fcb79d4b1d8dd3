"""What the catalogue knows of a code as records write it, worked out once for all charts.

Records of one hospital repeat the same few thousand codes, so what is known of them is kept, beside the catalogue,
for the next chart. Only codes are kept, never free text: a concept whose text is more than the display of a coding
stays with its chart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from app.evaluator.facts import Match, named
from app.fhir.names import NameIndex, concept_names, fold, result_names, site_names
from app.knowledge.catalogue import Family, System

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.evaluator.facts import Coded, Coding
    from app.knowledge.catalogue import Catalogue, CodeIndex, Placement

_SYSTEMS = frozenset(str(each) for each in System)
_DRUG_SYSTEMS = frozenset({System.RXNORM, System.ATC})
_MAX_KEPT = 20_000


@dataclass(slots=True, eq=False)
class Term:
    """A `Coded` and what it means: the concepts it is, those it is vague for, the analytes and scales it measures."""

    coded: Coded
    placed: tuple[tuple[Coding, Placement], ...]
    known: bool
    is_drug: bool
    in_system: bool
    concepts: frozenset[str]
    vague: frozenset[str]
    results: tuple[str, ...]
    _vocabulary: Vocabulary
    _named: frozenset[str] | None = None
    _named_results: frozenset[str] | None = None
    _named_questions: frozenset[str] | None = None

    def is_unplaced(self, family: Family) -> bool:
        """Whether anything may be meant: no coding of a system that the catalogue has, or a drug or vaccine that it
        does not know.
        """
        drug = self.is_drug or family is Family.MEDICATION or family is Family.IMMUNIZATION
        return not self.known and (drug or not self.in_system)

    def texts(self) -> tuple[str, ...]:
        """The words it uses."""
        return (*(each.display for each in self.coded.codings if each.display), self.coded.text)

    def named(self) -> frozenset[str]:
        """The concepts that its words name; none where the catalogue knows the code, for then the code speaks."""
        if self._named is None:
            self._named = frozenset() if self.known else self._vocabulary.concepts_in(self.texts())
        return self._named

    def named_results(self) -> frozenset[str]:
        """The analytes and scales that its words name; none where the catalogue knows the code as a result or else."""
        if self._named_results is None:
            known = self.known or bool(self.results)
            self._named_results = frozenset() if known else self._vocabulary.results_in(self.texts())
        return self._named_results

    def named_questions(self) -> frozenset[str]:
        """The questions for results by words (`named`) that it answers: what it names, and what its code is broader
        than.
        """
        if self._named_questions is None:
            broader = self._vocabulary.broader
            meant = self.named_results().union(*(broader.get((each.system, each.code), ()) for each, _ in self.placed))
            self._named_questions = frozenset(map(named, meant))
        return self._named_questions

    def coding_of(self, concept: str, match: Match) -> Coding | None:
        """The coding by which it bears on a concept; None where it does by its text alone."""
        for coding, placement in self.placed:
            if concept in (placement.concepts if match is Match.IS else placement.vague):
                return coding
        if not self.placed or match not in {Match.NAMED, Match.UNPLACED}:
            return None
        coding = self.placed[0][0]
        added = self._vocabulary.added_name(concept, self.texts()) if match is Match.NAMED else ""
        return msgspec.structs.replace(coding, mapped=added) if added and not coding.mapped else coding


@dataclass(slots=True)
class Vocabulary:
    """The terms of one catalogue. `kept` are those without free text, by the bytes that records have for them."""

    catalogue: Catalogue
    concepts: NameIndex
    results: NameIndex
    kept: dict[bytes, Term] = field(default_factory=dict)
    site_concepts: NameIndex = field(init=False)
    site_results: NameIndex = field(init=False)
    wider: dict[str, frozenset[str]] = field(init=False)
    """A concept -> itself and those that include it."""
    broader: dict[tuple[str, str], frozenset[str]] = field(init=False)
    """A code -> the analytes for which it is listed as broader."""

    def __post_init__(self) -> None:
        self.site_concepts = site_names(self.catalogue.site_names.concepts)
        self.site_results = site_names(self.catalogue.site_names.results)
        wider: dict[str, set[str]] = {each: {each} for each in self.catalogue.concepts}
        for concept, parts in self.catalogue.index.closure.items():
            for part in parts:
                wider.setdefault(part, {part}).add(concept)
        self.wider = {each: frozenset(found) for each, found in wider.items()}
        broader: dict[tuple[str, str], set[str]] = {}
        for analyte in self.catalogue.analytes.values():
            for code in analyte.broader:
                broader.setdefault((str(code.system), code.code), set()).add(analyte.id)
        self.broader = {each: frozenset(found) for each, found in broader.items()}

    def concepts_in(self, texts: Iterable[str]) -> frozenset[str]:
        """The concepts that texts name, by the catalogue's names or the site's."""
        return self.concepts.named_in(texts) | self.site_concepts.named_in(texts)

    def results_in(self, texts: Iterable[str]) -> frozenset[str]:
        """The same for analytes and scales."""
        return self.results.named_in(texts) | self.site_results.named_in(texts)

    def added_name(self, concept: str, texts: Iterable[str]) -> str:
        """The supplements by whose names alone the texts name a concept, or a kind of it; "" where others do too."""
        if not self.site_concepts.ids:
            return ""
        meant = self.catalogue.index.closure.get(concept, frozenset({concept}))
        if not meant.isdisjoint(self.concepts.named_in(texts)):
            return ""
        said = " ".join(map(fold, texts))
        return " ".join(
            sorted(
                {
                    source
                    for each in meant & self.site_concepts.named_in(texts)
                    for name, source in self.catalogue.site_names.concepts[each].items()
                    if fold(name) in said
                }
            )
        )

    def make(self, coded: Coded) -> Term:
        """Look a `Coded` up."""
        index = self.catalogue.index
        placed = tuple((each, index.place(each.system, each.code)) for each in coded.codings if each.code)
        if index.local and len(placed) > 1:
            placed = _own_first(placed, index)
        if len(placed) == 1:
            concepts, vague = placed[0][1].concepts, placed[0][1].vague
        else:
            concepts = frozenset[str]().union(*(placement.concepts for _, placement in placed))
            vague = frozenset[str]().union(*(placement.vague for _, placement in placed)) - concepts
        results: dict[str, None] = {}
        for each, _ in placed:
            key = (each.system, each.code)
            results.update(dict.fromkeys((*index.analytes.get(key, ()), *index.scales.get(key, ()))))
        return Term(
            coded=coded,
            placed=placed,
            known=any(placement.known for _, placement in placed),
            is_drug=any(each.system in _DRUG_SYSTEMS for each, _ in placed),
            in_system=any(each.system in _SYSTEMS for each, _ in placed),
            concepts=concepts,
            vague=vague,
            results=tuple(results),
            _vocabulary=self,
        )

    def keep(self, key: bytes, term: Term) -> None:
        """Remember a term for other charts, if it is nothing but codes of known systems."""
        coded = term.coded
        displays = {each.display for each in coded.codings}
        if term.in_system and (not coded.text or coded.text in displays):
            if len(self.kept) >= _MAX_KEPT:
                self.kept.clear()
            self.kept[key] = term


def _own_first(placed: tuple[tuple[Coding, Placement], ...], index: CodeIndex) -> tuple[tuple[Coding, Placement], ...]:
    """Where a coding of the record is known by itself, those that only a ConceptMap explains say nothing."""
    own = any(
        placement.known or (each.system, each.code) in index.analytes or (each.system, each.code) in index.scales
        for each, placement in placed
        if not each.mapped
    )
    return tuple([(each, placement) for each, placement in placed if not (own and each.mapped)])


# One per catalogue, of which there is one outside tests; it holds the catalogue, so that the id stays its own.
_VOCABULARIES: dict[int, Vocabulary] = {}
_MAX_VOCABULARIES = 4


def vocabulary_of(catalogue: Catalogue) -> Vocabulary:
    """The vocabulary of a catalogue, made when first asked for."""
    found = _VOCABULARIES.get(id(catalogue))
    if found is None:
        if len(_VOCABULARIES) >= _MAX_VOCABULARIES:
            _VOCABULARIES.clear()
        found = _VOCABULARIES[id(catalogue)] = Vocabulary(catalogue, concept_names(catalogue), result_names(catalogue))
    return found
