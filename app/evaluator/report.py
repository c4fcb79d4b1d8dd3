"""The report of one trial for one patient: a status for every criterion, in the order of the registration.

A trial is compiled once (`compile_trial`): equal criteria of all trials become one node, and ids, words and spans of
the parts are laid out. Then a report is one walk over the verdicts, and `to_json` one walk over the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from app.criteria.nodes import Preference, children
from app.evaluator.answers import judge_with
from app.evaluator.facts import warning_order
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis
from app.evaluator.wording import listed
from app.knowledge.catalogue import Family

if TYPE_CHECKING:
    from datetime import date

    from app.criteria.nodes import Criterion
    from app.evaluator.answers import Answers
    from app.evaluator.case import Memory
    from app.evaluator.evaluate import Judge
    from app.evaluator.facts import Chart, Coding, Warning_
    from app.evaluator.verdict import Evidence, Missing, Verdict

Json = dict[str, Any]
_MOST_SENTENCES = 3


class Kind(Protocol):
    """A string enumeration with "inclusion" and "exclusion"."""

    @property
    def value(self) -> str: ...


class Readable(Protocol):
    """A criterion as the reader gives it."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def text(self) -> str: ...
    @property
    def expression(self) -> Criterion: ...


class Status(StrEnum):
    """What a verdict means for the patient."""

    __hash__ = str.__hash__  # counted for every criterion; that of an enumeration is written in Python

    PASS = "pass"  # noqa: S105 - a verdict, not a word to enter by
    FAIL = "fail"
    UNKNOWN = "unknown"
    REVIEW = "review"
    NOTE = "note"


_STATUSES = tuple(Status)


class Overall(StrEnum):
    """What the trial comes to."""

    ELIGIBLE = "eligible"
    INELIGIBLE = "ineligible"
    UNDETERMINED = "undetermined"


class Segments(NamedTuple):
    """What is written of a verdict: pieces of JSON and, between them, the families whose note stands there.

    The verdict is kept, too, so that its id stays its own.
    """

    verdict: Verdict
    pieces: tuple[bytes, ...]
    notes: tuple[tuple[Family, ...], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A criterion or one of its operands, laid out for reports. `node` is the canonical one.

    `levels` is how deep it goes. `written` is what a writer keeps of verdicts that hold for many patients, by their id.
    """

    id: str
    text: str
    span: tuple[int, int] | None
    says: str
    node: Criterion
    parts: tuple[Part, ...]
    levels: int
    written: dict[int, Segments] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class CompiledCriterion:
    """One criterion of a trial; `written` as for parts. What `asks` the same, of one memory, has the same status."""

    part: Part
    excludes: bool
    kind: str
    is_note: bool
    asks: tuple[int, bool, bool]
    written: dict[int, Segments] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class CompiledTrial:
    """A trial, ready to be judged any number of times with judges that share `memory`."""

    id: str
    version: int
    title: str
    criteria: tuple[CompiledCriterion, ...]


class CriterionResult(msgspec.Struct, frozen=True, gc=False):
    """One criterion's verdict and what it means."""

    criterion: CompiledCriterion
    verdict: Verdict
    status: Status
    passes_from: date | None


@dataclass(frozen=True, slots=True)
class Engine:
    """What judged: the release, and the digest of its catalogue."""

    version: str
    knowledge: str


class Report(msgspec.Struct, frozen=True, gc=False):
    """The verdicts of one trial for one patient."""

    trial: CompiledTrial
    patient: str
    as_of: date
    overall: Overall
    counts: dict[Status, int]
    criteria: tuple[CriterionResult, ...]
    warnings: tuple[Warning_, ...]
    engine: Engine
    chart: Chart


def compile_trial(
    trial_id: str,
    version: int,
    title: str,
    criteria: Iterable[Readable],
    says: Callable[[Criterion], str],
    memory: Memory,
) -> CompiledTrial:
    """Lay a trial out. `says` gives the plain words of a node; `memory` must be the one of the judges that come."""
    compiled = []
    for each in criteria:
        part = _part(each.id, each.expression, each.text, says, memory)
        kind = each.kind.value
        excludes, is_note = kind == "exclusion", isinstance(each.expression, Preference)
        compiled.append(CompiledCriterion(part, excludes, kind, is_note, (id(part.node), excludes, is_note)))
    return CompiledTrial(trial_id, version, title, tuple(compiled))


def _part(ident: str, node: Criterion, text: str, says: Callable[[Criterion], str], memory: Memory) -> Part:
    quote = node.quote
    canonical = memory.canonical(node)
    parts = tuple(
        _part(f"{ident}.{place}", each, each.quote.text if each.quote is not None else "", says, memory)
        for place, each in enumerate(children(node), start=1)
    )
    span = (quote.start, quote.end) if quote is not None else None
    levels = 1 + max((each.levels for each in parts), default=0)
    return Part(ident, text, span, says(node), canonical, parts, levels)


def evaluate_trial(trial: CompiledTrial, judge: Judge, engine: Engine, answers: Answers | None = None) -> Report:
    """Judge every criterion, with what people answered. The chart's warnings are taken when all facts have been asked
    for.
    """
    if answers is None:
        results = tuple([_result(each, judge.judge(each.part.node)) for each in trial.criteria])
    else:
        results = tuple(_result(each, judge_with(answers, judge, each.part)) for each in trial.criteria)
    counts = dict.fromkeys(_STATUSES, 0)
    for result in results:
        counts[result.status] += 1
    chart = judge.case.chart
    return Report(
        trial,
        chart.patient.source.reference,
        judge.case.as_of,
        overall_of(counts),
        counts,
        results,
        chart.warnings if answers is None else tuple(sorted({*chart.warnings, *answers.noted()}, key=warning_order)),
        engine,
        chart,
    )


def statuses(trial: CompiledTrial, judge: Judge) -> list[Status]:
    """The statuses alone, for when many trials are compared: what equal criteria come to is looked up."""
    known = judge.statuses
    found = []
    for criterion in trial.criteria:
        status = known.get(criterion.asks)
        if status is None:
            verdict = judge.judge(criterion.part.node)
            status = status_of(verdict, excludes=criterion.excludes, is_note=criterion.is_note)
            known[criterion.asks] = status
        found.append(status)
    return found


def _result(criterion: CompiledCriterion, verdict: Verdict) -> CriterionResult:
    status = status_of(verdict, excludes=criterion.excludes, is_note=criterion.is_note)
    return CriterionResult(criterion, verdict, status, verdict.turns_on if status is Status.FAIL else None)


def status_of(verdict: Verdict, *, excludes: bool, is_note: bool) -> Status:
    """The table of semantics, section 1."""
    if is_note:
        return Status.NOTE
    match verdict.holds:
        case Truth.UNKNOWN:
            return Status.REVIEW if verdict.questions and not verdict.missing else Status.UNKNOWN
        case Truth.TRUE:
            return Status.FAIL if excludes else Status.PASS
        case Truth.FALSE:
            return Status.PASS if excludes else Status.FAIL


def overall_of(counts: dict[Status, int]) -> Overall:
    """What the criteria come to, by how many have which status."""
    if counts[Status.FAIL]:
        return Overall.INELIGIBLE
    return Overall.UNDETERMINED if counts[Status.UNKNOWN] or counts[Status.REVIEW] else Overall.ELIGIBLE


# --- as JSON ---------------------------------------------------------------------------------------------------------


def to_json(report: Report, words: Words | None = None) -> Json:
    """The EligibilityReport of the contract. The same report gives the same keys, order and values."""
    words = words or Words(report.chart)
    return {
        "trial": {"id": report.trial.id, "version": report.trial.version, "title": report.trial.title},
        "patient": report.patient,
        "asOf": report.as_of.isoformat(),
        "overall": report.overall.value,
        "counts": {status._value_: count for status, count in report.counts.items()},
        "criteria": [words.criterion(each) for each in report.criteria],
        "warnings": [{"code": each.code, "text": each.text, "reference": each.reference} for each in report.warnings],
        "engine": {"version": report.engine.version, "knowledge": report.engine.knowledge},
    }


class Words:
    """Says verdicts as JSON. The counts of what was searched are the chart's and are asked once."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self._notes: dict[tuple[Family, ...], str] = {(): ""}
        self._said: dict[int, str] = {}

    def criterion(self, result: CriterionResult) -> Any:
        """One criterion."""
        criterion, verdict = result.criterion, result.verdict
        part = criterion.part
        is_note = result.status is Status.NOTE
        open_ = verdict.holds is Truth.UNKNOWN and not is_note
        return {
            "id": part.id,
            "kind": criterion.kind,
            "text": part.text,
            "says": part.says,
            "status": result.status._value_,
            "holds": None if is_note else verdict.holds._value_,
            "basis": verdict.basis._value_,
            "explanation": self.explain(verdict),
            "evidence": self.evidence(verdict.evidence) if verdict.evidence else [],
            "missing": self.missing(verdict.missing) if open_ and verdict.missing else [],
            "questions": _questions(verdict, part) if open_ else [],
            "passesFrom": result.passes_from.isoformat() if result.passes_from is not None else None,
            "parts": [
                self.part(each, below) for each, below in zip(verdict.because, part.parts, strict=False)
            ] if part.parts else [],
        }  # fmt: skip

    def part(self, verdict: Verdict, part: Part) -> Any:
        """One of its parts."""
        open_ = verdict.holds is Truth.UNKNOWN
        return {
            "id": part.id,
            "text": part.text,
            "span": list(part.span) if part.span is not None else None,
            "says": part.says,
            "holds": verdict.holds._value_,
            "basis": verdict.basis._value_,
            "explanation": self.explain(verdict),
            "evidence": self.evidence(verdict.evidence) if verdict.evidence else [],
            "missing": self.missing(verdict.missing) if open_ and verdict.missing else [],
            "questions": _questions(verdict, part) if open_ else [],
            "parts": [
                self.part(each, below) for each, below in zip(verdict.because, part.parts, strict=False)
            ] if part.parts else [],
        }  # fmt: skip

    def evidence(self, elements: tuple[Evidence, ...]) -> Any:
        """The elements that were read."""
        return [self.element(each) for each in elements]

    def element(self, each: Evidence) -> Any:
        """One of them."""
        return {
            "reference": each.reference,
            "role": each.role._value_,
            "path": each.path,
            "value": each.value,
            "effective": each.effective,
            "code": _code(each.code),
            "stale": each.stale,
        }

    def missing(self, items: tuple[Missing, ...]) -> Any:
        """What to send."""
        return [
            {"type": each.type, "code": _code(each.code), "text": each.text, "window": each.window or None}
            for each in items
        ]

    def note(self, searched: tuple[Family, ...]) -> str:
        """How many records were looked through, and how many of them carry no code that is known."""
        found = self._notes.get(searched)
        if found is None:
            found = self._notes[searched] = self._make(searched)
        return found

    def _make(self, searched: tuple[Family, ...]) -> str:
        seen = []
        for family in searched:
            unknown = self.chart.unknown_codes(family)
            seen.append(
                f"{self.chart.count(family)} {family.value}{f' ({unknown} with unknown codes)' if unknown else ''}"
            )
        return f" Looked through: {listed(tuple(seen))}."

    def explain(self, verdict: Verdict) -> str:
        """One to three sentences: a fact's own, or those of the parts that decide."""
        if not verdict.because or verdict.explanation:
            return verdict.explanation + self.note(verdict.searched) if verdict.searched else verdict.explanation
        found = self._said.get(id(verdict))
        if found is None:
            found = self._said[id(verdict)] = self._join(verdict)
        return found

    def _join(self, verdict: Verdict) -> str:
        if verdict.basis is Basis.NOT_APPLICABLE:
            return f"Not applicable: {_lower(self.explain(verdict.because[0]))}"
        deciding = verdict.deciding() or verdict.because
        if len(deciding) > _MOST_SENTENCES:
            return self._many(verdict, deciding)
        return " ".join(dict.fromkeys([self.explain(each) for each in deciding]))

    def _many(self, verdict: Verdict, deciding: Sequence[Verdict]) -> str:
        total = len(verdict.because)
        if verdict.holds is Truth.UNKNOWN:
            return f"{len(deciding)} of {total} parts are open."
        word = "hold" if deciding[0].holds is Truth.TRUE else "do not hold"
        return f"{len(deciding)} of {total} parts {word}.{self.note(verdict.searched)}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _questions(verdict: Verdict, part: Part) -> list[Json]:
    """What to ask, each under the linkId of the part that asks it."""
    if not verdict.questions:
        return []
    if not part.parts or not verdict.because:
        return [{"linkId": part.id, "text": each.text} for each in verdict.questions]
    return [
        one
        for each, below in zip(verdict.because, part.parts, strict=True)
        if each.holds is Truth.UNKNOWN
        for one in _questions(each, below)
    ]


def _code(coding: Coding | None) -> Json | None:
    if coding is None:
        return None
    told = {"system": coding.uri or coding.system, "code": coding.code}
    return {**told, "map": coding.mapped} if coding.mapped else told
