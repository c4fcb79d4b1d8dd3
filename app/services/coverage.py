"""How much of many registrations was understood, and what to learn next: counts, as JSON and as Markdown.

Plain functions without a clock: whoever reads measures the time and hands it in.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.reader import Kind, Reading, left_over
from app.services.forms import sent_trial
from app.services.reading import read_sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.knowledge.catalogue import Catalogue
    from app.reader import LeftOver, Registration

Json = dict[str, Any]
_EXAMPLES = 3
_LONGEST = 200
_SLOWEST = 10
_MOST_WORDS = 500
_SHOWN = 60
_UNDERSTOOD = (Reading.COMPUTABLE, Reading.PARTIAL)


@dataclass(frozen=True, slots=True)
class TrialRead:
    """One registration: how its lines were read, what was left over, and how many seconds reading took."""

    source: str
    registration: Registration
    left: tuple[LeftOver, ...]
    seconds: float


@dataclass(slots=True)
class Coverage:
    """What was read so far, and what was refused (source and reason)."""

    trials: list[TrialRead] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def read_for_report(media_type: str, body: str, catalogue: Catalogue) -> Registration:
    """A registration in any form, criteria or none. UnusableTrial, NotJson."""
    return read_sent(sent_trial(media_type, body), "", catalogue)


def trial_read(source: str, registration: Registration, seconds: float, catalogue: Catalogue) -> TrialRead:
    """The same with what was left over, which is looked for apart from the time that reading takes."""
    return TrialRead(source, registration, left_over(registration, catalogue), seconds)


def report(coverage: Coverage, engine: Json) -> Json:
    """The report as JSON values; `engine` says what read. Lines are criteria, those of the fields among them."""
    trials = coverage.trials
    readings = Counter(each.reading for trial in trials for each in trial.registration.criteria)
    lines, seconds = readings.total(), sum(trial.seconds for trial in trials)
    return {
        "engine": engine,
        "trials": len(trials),
        "refused": [{"source": source, "error": error} for source, error in coverage.refused],
        "lines": lines,
        "understood": _share(sum(readings[each] for each in _UNDERSTOOD), lines),
        "readings": {each.value: {"lines": readings[each], "share": _share(readings[each], lines)} for each in Reading},
        "sides": {side.value: _side(trials, side) for side in Kind},
        "time": {
            "seconds": round(seconds, 3),
            "millisecondsPerLine": round(seconds * 1000 / lines, 3) if lines else None,
            "linesPerSecond": round(lines / seconds) if lines and seconds else None,
            "slowest": [_timed(each) for each in sorted(trials, key=_per_line, reverse=True)[:_SLOWEST]],
        },
        "clausesNotUnderstood": sum(len(trial.left) for trial in trials),
        "stoppedAt": _ranked((left.stopped_at, trial, left) for trial, left in _all_left(trials) if left.stopped_at),
        "unknownWords": _ranked(
            (word, trial, left)
            for trial, left in _all_left(trials)
            for word in sorted({word for run in left.unknown for word in run.split()})
        ),
        "unknownPhrases": _ranked(
            (run, trial, left) for trial, left in _all_left(trials) for run in sorted(set(left.unknown)) if " " in run
        ),
        "byTrial": [_by_trial(each) for each in trials],
    }


def markdown(found: Json) -> str:
    """The report for people: the same figures, and the most frequent words."""
    time = found["time"]
    summary = (
        f"{found['trials']} registrations, {found['lines']} criterion lines, "
        f"**{_percent(found['understood'])} computable or partial**. Read by Eligo {found['engine']['version']} in "
        f"{time['seconds']:.2f} s: {_number(time['millisecondsPerLine'])} ms a line, "
        f"{_number(time['linesPerSecond'])} lines a second."
    )
    stopped = (
        f"The word that a clause could not be read past, by how many of the {found['clausesNotUnderstood']} clauses "
        "that were not understood."
    )
    parts = [
        "# How much was understood",
        summary,
        _table(
            ("reading", "lines", "share"),
            [(name, each["lines"], _percent(each["share"])) for name, each in found["readings"].items()],
        ),
        "## Where reading stopped",
        stopped,
        _words(found["stoppedAt"]),
        "## Words that nothing is known of",
        "Words of these clauses that neither the catalogue nor the grammar has.",
        _words(found["unknownWords"]),
        "## Runs of such words",
        _words(found["unknownPhrases"]),
        "## By registration",
        _table(
            ("registration", *(each.value for each in Reading), "lines", "ms a line"),
            [
                (
                    each["id"] or each["source"],
                    *each["readings"].values(),
                    each["lines"],
                    _number(each["millisecondsPerLine"]),
                )
                for each in found["byTrial"]
            ],
        ),
    ]
    if found["refused"]:
        parts += [
            "## Refused",
            _table(("source", "why"), [(each["source"], each["error"]) for each in found["refused"]]),
        ]
    return "\n\n".join(parts) + "\n"


def _all_left(trials: Sequence[TrialRead]) -> list[tuple[TrialRead, LeftOver]]:
    return [(trial, left) for trial in trials for left in trial.left]


def _ranked(found: Iterable[tuple[str, TrialRead, LeftOver]]) -> list[Json]:
    """The words by how many clauses have them, with examples."""
    counts: Counter[str] = Counter()
    trials: defaultdict[str, set[int]] = defaultdict(set)
    examples: defaultdict[str, list[Json]] = defaultdict(list)
    for word, trial, left in found:
        counts[word] += 1
        trials[word].add(id(trial))
        if len(examples[word]) < _EXAMPLES:
            examples[word].append({"trial": _name(trial), "criterion": left.criterion, "text": _short(left.text)})
    ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:_MOST_WORDS]
    return [
        {"words": word, "clauses": count, "trials": len(trials[word]), "examples": examples[word]}
        for word, count in ranked
    ]


def _side(trials: Sequence[TrialRead], side: Kind) -> Json:
    readings = Counter(each.reading for trial in trials for each in trial.registration.criteria if each.kind is side)
    return {"lines": readings.total(), **{each.value: readings[each] for each in Reading}}


def _by_trial(trial: TrialRead) -> Json:
    readings = Counter(each.reading for each in trial.registration.criteria)
    return {
        "source": trial.source,
        "id": trial.registration.id,
        "title": trial.registration.title,
        "lines": readings.total(),
        "readings": {each.value: readings[each] for each in Reading},
        "millisecondsPerLine": round(_per_line(trial) * 1000, 3) if readings else None,
    }


def _timed(trial: TrialRead) -> Json:
    return {
        "trial": _name(trial),
        "lines": len(trial.registration.criteria),
        "milliseconds": round(trial.seconds * 1000, 3),
        "millisecondsPerLine": round(_per_line(trial) * 1000, 3),
    }


def _per_line(trial: TrialRead) -> float:
    return trial.seconds / max(1, len(trial.registration.criteria))


def _name(trial: TrialRead) -> str:
    return trial.registration.id or trial.source


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _words(ranked: Sequence[Json]) -> str:
    return _table(
        ("words", "clauses", "registrations", "such as"),
        [(each["words"], each["clauses"], each["trials"], each["examples"][0]["text"]) for each in ranked[:_SHOWN]],
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return "None."
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(each) for each in line)} |" for line in lines)


def _cell(value: object) -> str:
    """A cell of a table: no bar and no line end may break it, and no tag may be one."""
    text = " ".join(str(value).split())
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
