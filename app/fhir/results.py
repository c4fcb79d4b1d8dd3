"""The observations of a record by what they are coded with: as analyte, as scale, as concept, or by their words alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.evaluator.facts import Match
from app.fhir.index import make_group
from app.fhir.resources import Observation
from app.knowledge.catalogue import Family

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.evaluator.facts import Coded, Coding
    from app.fhir.index import Group, Record
    from app.fhir.names import NameIndex
    from app.fhir.values import Values
    from app.knowledge.catalogue import Catalogue


class ResultIndex:
    """Which observations bear on a question. Codings are interned by `Values`, so that their identity tells them apart."""

    def __init__(self, records: Iterable[Record], values: Values, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._codes: dict[int, Group] = {}
        self._values: dict[int, Group] = {}
        self._ids: dict[int, tuple[str, ...]] = {}
        self._by_id: dict[str, list[Record]] = {}
        self._unlisted: list[Group] = []
        coded = values.coded
        for record in records:
            resource = record.resource
            assert isinstance(resource, Observation)
            self._enter(self._codes, coded(resource.code), record)
            if resource.value_codeable_concept is not None:
                self._enter(self._values, coded(resource.value_codeable_concept), record)
            for each in resource.component or ():
                self._enter(self._codes, coded(each.code), record)
                if each.value_codeable_concept is not None:
                    self._enter(self._values, coded(each.value_codeable_concept), record)
        for group in self._codes.values():
            ids = self.ids(group.codes[0])
            if not ids:
                self._unlisted.append(group)
            for id_ in ids:
                self._by_id.setdefault(id_, []).extend(group.records)

    def _enter(self, groups: dict[int, Group], coded: Coded, record: Record) -> None:
        group = groups.get(id(coded))
        if group is None:
            group = groups[id(coded)] = make_group((coded,), Family.OBSERVATION, self._catalogue)
        group.records.append(record)

    def ids(self, coded: Coded) -> tuple[str, ...]:
        """The analytes and scales that a code means."""
        found = self._ids.get(id(coded))
        if found is None:
            index = self._catalogue.index
            ids: dict[str, None] = {}
            for each in coded.codings:
                key = (each.system, each.code)
                ids.update(dict.fromkeys(index.analytes.get(key, ())))
                ids.update(dict.fromkeys(index.scales.get(key, ())))
            found = self._ids[id(coded)] = tuple(ids)
        return found

    def of(self, analyte: str) -> list[Record]:
        """The records with a listed code, each once."""
        return list(dict.fromkeys(self._by_id.get(analyte, ())))

    def named(self, analyte: str, names: NameIndex) -> list[tuple[Coded, list[Record]]]:
        """The codes that are not listed for anything but are broader than the analyte, or whose words name it."""
        entry = self._catalogue.analytes.get(analyte)
        broader = {(str(each.system), each.code) for each in entry.broader} if entry else set()
        return [
            (group.codes[0], group.records)
            for group in self._unlisted
            if (broader and any((coding.system, coding.code) in broader for coding, _ in group.placed))
            or analyte in group.named(names)
        ]

    def bearing_on(self, concept: str) -> list[tuple[Record, Coded, Match, Coding]]:
        """Records that are coded with a concept, or with something less specific, or have it as their value."""
        found = []
        for groups in (self._codes, self._values):
            for group in groups.values():
                for coding, placement in group.placed:
                    if concept in placement.concepts or concept in placement.vague:
                        match = Match.IS if concept in placement.concepts else Match.VAGUE
                        found += [(record, group.codes[0], match, coding) for record in group.records]
                        break
        return found

    def unknown_codes(self) -> int:
        """How many records have a code of their own that the catalogue does not have at all."""
        return sum(len(group.records) for group in self._unlisted if not group.known)
