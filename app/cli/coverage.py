"""`eligo read --report`: many registrations read, timed and counted, without storing any."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import orjson
from rich import box
from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from app import __version__
from app.cli import files, tables
from app.errors import EligoError
from app.knowledge.load import load_catalogue
from app.services import coverage
from app.services.coverage import Coverage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.knowledge.catalogue import Catalogue

_SHOWN = 15
JSON_NAME, TEXT_NAME = "report.json", "report.md"


class CannotWrite(EligoError):
    """The report cannot be written; `folder` is where."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"The report cannot be written to {folder}: {reason}.")
        self.folder = folder


def measure(sources: Sequence[Path]) -> dict[str, Any]:
    """Read all trials of these files and report on them. What is refused is told in the report."""
    catalogue = load_catalogue()
    found = Coverage()
    # The first reading builds what all others share; it is nobody's time.
    coverage.read_for_report("text/plain", "Inclusion Criteria:\n- Age 18 to 75 years\n", catalogue)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        for file in progress.track(sources, description="Reading"):
            try:
                for part in files.trials_in(file):
                    name = f"{file}, {part.place}" if part.place else str(file)
                    _read(found, name, part.media_type, part.body, catalogue)
            except EligoError as error:
                found.refused.append((str(file), str(error)))
    return coverage.report(found, {"version": __version__, "knowledge": catalogue.digest})


def _read(found: Coverage, name: str, media_type: str, body: str, catalogue: Catalogue) -> None:
    start = time.perf_counter()
    try:
        registration = coverage.read_for_report(media_type, body, catalogue)
    except EligoError as error:
        found.refused.append((name, str(error)))
        return
    found.trials.append(coverage.trial_read(name, registration, time.perf_counter() - start, catalogue))


def write(report: dict[str, Any], folder: Path) -> None:
    """Write it as JSON and as Markdown. CannotWrite."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / JSON_NAME).write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
        (folder / TEXT_NAME).write_text(coverage.markdown(report), encoding="utf-8")
    except OSError as error:
        raise CannotWrite(folder, str(error.strerror)) from None


def shown(report: dict[str, Any]) -> Group:
    """The figures for a terminal."""
    readings = Table("Reading", "Lines", "Share", box=box.ROUNDED)
    for name, each in report["readings"].items():
        share = "-" if each["share"] is None else f"{each['share']:.1%}"
        readings.add_row(tables.word(name), str(each["lines"]), share)
    words = Table("Stopped at", "Clauses", "Unknown", "Clauses", "Together", "Clauses", box=box.ROUNDED)
    columns = [report[key][:_SHOWN] for key in ("stoppedAt", "unknownWords", "unknownPhrases")]
    for row in range(max(map(len, columns), default=0)):
        cells: list[str] = []
        for column in columns:
            cells += [column[row]["words"], str(column[row]["clauses"])] if row < len(column) else ["", ""]
        words.add_row(*map(Text, cells))
    understood = "-" if report["understood"] is None else f"{report['understood']:.1%}"
    spent = report["time"]
    told = f"{report['trials']} registrations, {report['lines']} lines, {understood} computable or partial"
    if spent["linesPerSecond"] is not None:
        told += f"; {spent['millisecondsPerLine']:g} ms a line, {spent['linesPerSecond']} lines a second"
    return Group(Text(f"{told}.", "bold"), readings, words)
