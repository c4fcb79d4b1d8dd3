"""Writes reports as bytes: what `report.to_json` gives, without building it anew for every patient.

What is written of a verdict that holds for many patients is kept with the criterion or part, in segments: between them
stand the notes that say how many records of this chart were looked through.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from app.evaluator.blank import BlankChart
from app.evaluator.report import Segments, Words, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.evaluator.case import Memory
    from app.evaluator.facts import Chart
    from app.evaluator.report import CriterionResult, Part, Report
    from app.evaluator.verdict import Evidence, Missing, Verdict
    from app.knowledge.catalogue import Family

_MOST_KEPT = 64
_MOST_LEVELS = 60
"""Of parts inside parts. Deeper criteria are built as a whole, so that orjson says where they are too deep."""
_MARK = "\x01"
_MARKED = re.compile(rb"\\u0001(\d+)\\u0001")


class Writer(Words):
    """Writes the reports of one chart, as long as their verdicts live. `memory` is that of the judges."""

    def __init__(self, chart: Chart, memory: Memory) -> None:
        super().__init__(chart)
        self._memory = memory
        self._in_bytes: dict[tuple[Family, ...], bytes] = {}
        # By id, with what they were made of, so that the ids stay their own.
        self._evidence: dict[int, tuple[tuple[Evidence, ...], orjson.Fragment]] = {}
        self._missing: dict[int, tuple[tuple[Missing, ...], orjson.Fragment]] = {}
        self._elements: dict[int, tuple[Evidence, orjson.Fragment]] = {}

    def write(self, report: Report, *, is_stored: bool = True) -> bytes:
        """The EligibilityReport of the contract; a trial that is not stored has no version."""
        whole = to_json(report, self)
        if not is_stored:
            whole["trial"]["version"] = None
        return orjson.dumps(whole)

    def criterion(self, result: CriterionResult) -> Any:
        """What was kept, else as it is."""
        criterion, verdict = result.criterion, result.verdict
        kept = criterion.written.get(id(verdict))
        if kept is not None and kept.verdict is verdict:
            return self._filled(kept)
        if criterion.part.levels > _MOST_LEVELS:
            return Words(self.chart).criterion(result)
        if self._memory.holds_for_all(verdict):
            kept = _keep(criterion.written, verdict, lambda words: words.criterion(result))
        return super().criterion(result) if kept is None else self._filled(kept)

    def part(self, verdict: Verdict, part: Part) -> Any:
        """What was kept, else as it is."""
        kept = part.written.get(id(verdict))
        if kept is not None and kept.verdict is verdict:
            return self._filled(kept)
        if self._memory.holds_for_all(verdict):
            kept = _keep(part.written, verdict, lambda words: words.part(verdict, part))
        return super().part(verdict, part) if kept is None else self._filled(kept)

    def evidence(self, elements: tuple[Evidence, ...]) -> Any:
        """What a part rests on often is all that the whole rests on: it is written once."""
        found = self._evidence.get(id(elements))
        if found is None:
            found = self._evidence[id(elements)] = (elements, _fragment(super().evidence(elements)))
        return found[1]

    def missing(self, items: tuple[Missing, ...]) -> Any:
        """What would settle a part often is all that would settle the whole: it is written once."""
        found = self._missing.get(id(items))
        if found is None:
            found = self._missing[id(items)] = (items, _fragment(super().missing(items)))
        return found[1]

    def element(self, each: Evidence) -> Any:
        """Many criteria cite the same element: it is written once."""
        found = self._elements.get(id(each))
        if found is None:
            found = self._elements[id(each)] = (each, _fragment(super().element(each)))
        return found[1]

    def _filled(self, kept: Segments) -> orjson.Fragment:
        pieces = kept.pieces
        if not kept.notes:
            return orjson.Fragment(pieces[0])
        found = [pieces[0]]
        for families, piece in zip(kept.notes, pieces[1:], strict=True):
            found += (self._note_bytes(families), piece)
        return orjson.Fragment(b"".join(found))

    def _note_bytes(self, families: tuple[Family, ...]) -> bytes:
        found = self._in_bytes.get(families)
        if found is None:
            found = self._in_bytes[families] = orjson.dumps(self.note(families))[1:-1]
        return found


def _fragment(value: Any) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(value))


class _Marks(Words):
    """Words of no chart. Where a note will be stands a mark, or nothing where the mark is ""."""

    def __init__(self, mark: str) -> None:
        super().__init__(BlankChart({}))
        self.families: list[tuple[Family, ...]] = []
        self._mark = mark

    def note(self, searched: tuple[Family, ...]) -> str:
        """The mark of these families."""
        if not self._mark or not searched:
            return ""
        if searched not in self.families:
            self.families.append(searched)
        return f"{self._mark}{self.families.index(searched)}{self._mark}"


def _keep(written: dict[int, Segments], verdict: Verdict, make: Callable[[Words], Any]) -> Segments | None:
    """Keep what is written of a verdict; None where it has the mark in it by itself."""
    if b"u0001" in orjson.dumps(make(_Marks(""))):
        return None
    words = _Marks(_MARK)
    pieces = _MARKED.split(orjson.dumps(make(words)))
    if len(written) >= _MOST_KEPT:
        written.clear()
    kept = written[id(verdict)] = Segments(
        verdict, tuple(pieces[::2]), tuple([words.families[int(each)] for each in pieces[1::2]])
    )
    return kept
