"""The observations of a record by what they are: analyte, scale, concept, or known by their words alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.evaluator.facts import Match, valued
from app.fhir.index import Group
from app.fhir.values import BadValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.evaluator.facts import Coding
    from app.fhir.index import Record
    from app.fhir.terms import Term
    from app.fhir.values import Values


_PART = "Observation.component.code"
REPORT = "DiagnosticReport"
TISSUE = frozenset({"pathology-report", "cytology-report"})
"""The results that a DiagnosticReport is itself."""


class ResultIndex:
    """Which observations bear on a question. `fail` is told of a record whose code cannot be read."""

    def __init__(self, records: Iterable[Record], values: Values, fail: Callable[[Record, BadValue], None]) -> None:
        self._catalogue = values.vocabulary.catalogue
        self._codes: dict[int, Group] = {}
        self._values: dict[int, Group] = {}
        self._by_result: dict[str, list[Group]] = {}
        self._by_concept: dict[str, list[tuple[Group, Match]]] = {}
        self._unlisted: list[Group] = []
        codes, read, coded = self._codes, values.term, values.term_of
        for record in records:
            resource: Any = record.resource
            if record.type == REPORT:
                self._enter_report(record, values, fail)
                continue
            try:
                term = read(resource.code, "Observation.code")
                parts = [read(each.code, _PART) for each in resource.component] if resource.component else None
            except BadValue as error:
                fail(record, error)
                continue
            group = codes.get(id(term))
            if group is None:
                group = codes[id(term)] = Group((term,))
            group.records.append(record)
            if resource.value_codeable_concept is not None:
                _enter(self._values, coded(resource.value_codeable_concept), record)
            if parts is not None:
                for part, component in zip(parts, resource.component, strict=True):
                    _enter(codes, part, record)
                    if component.value_codeable_concept is not None:
                        _enter(self._values, coded(component.value_codeable_concept), record)
        for group in codes.values():
            results = group.terms[0].results
            if not results:
                self._unlisted.append(group)
            for each in results:
                self._by_result.setdefault(each, []).append(group)
        for groups in (codes, self._values):
            for group in groups.values():
                for each in group.terms[0].concepts:
                    self._by_concept.setdefault(each, []).append((group, Match.IS))
                for each in group.terms[0].vague:
                    self._by_concept.setdefault(each, []).append((group, Match.VAGUE))

    def touched(self) -> frozenset[str]:
        """The questions that some record may bear on."""
        found = {*self._by_result, *map(valued, self._by_concept)}
        for group in self._unlisted:
            for term in group.terms:
                found.update(term.named_questions())
        return frozenset(found)

    def _enter_report(self, record: Record, values: Values, fail: Callable[[Record, BadValue], None]) -> None:
        """A report on tissue; other reports only gather results that are sent beside them."""
        resource: Any = record.resource
        try:
            term = values.term(resource.code, "DiagnosticReport.code")
        except BadValue as error:
            fail(record, error)
            return
        if not TISSUE.isdisjoint(term.results):
            _enter(self._codes, term, record)
            for each in resource.conclusion_code or ():
                _enter(self._values, values.term_of(each), record)

    def of(self, analyte: str) -> list[Record]:
        """The records with a listed code, each once."""
        groups = self._by_result.get(analyte, ())
        if len(groups) == 1:
            return list(dict.fromkeys(groups[0].records))
        return list(dict.fromkeys(record for group in groups for record in group.records))

    def named(self, analyte: str) -> list[tuple[Term, list[Record]]]:
        """The codes that are not listed for anything but are broader than the analyte, or whose words name it."""
        entry = self._catalogue.analytes.get(analyte)
        broader = {(str(each.system), each.code) for each in entry.broader} if entry else set()
        return [
            (term, list(dict.fromkeys(group.records)))
            for group in self._unlisted
            for term in group.terms
            if (broader and any((coding.system, coding.code) in broader for coding, _ in term.placed))
            or analyte in term.named_results()
        ]

    def bearing_on(self, concept: str) -> list[tuple[Record, Term, Match, Coding | None]]:
        """Records that are coded with a concept, or with something less specific, or have it as their value."""
        return [
            (record, group.terms[0], match, group.coding_of(concept, match))
            for group, match in self._by_concept.get(concept, ())
            for record in dict.fromkeys(group.records)
        ]

    def unknown_codes(self) -> int:
        """How many records have a code that is listed for no result and known as nothing else."""
        return len({id(record) for group in self._unlisted if not group.known for record in group.records})


def _enter(groups: dict[int, Group], term: Term, record: Record) -> None:
    group = groups.get(id(term))
    if group is None:
        group = groups[id(term)] = Group((term,))
    group.records.append(record)
