"""Ratios measured in one run, printed as a table: `make bench`.

Times are the best of several rounds of process time, garbage collection on. A ratio compares two things measured one
after the other on the same bytes, so that it means the same on another machine.
"""

from __future__ import annotations

import json
import os
import resource
import time
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from rich.console import Console
from rich.table import Table

from app.knowledge.load import load_catalogue
from app.reader import read_criteria_text, read_registration, read_study
from app.services import core
from app.services.jobs import settle
from app.services.options import Options
from benchmarks.records import life, visit

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.reader import ReadCriterion, Registration

HERE = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("ELIGO_SHARED", HERE.parent / "shared"))
_MEGABYTE = 1_000_000
OPTIONS = Options(as_of=date(2026, 11, 22))
SEVEN = """Inclusion Criteria:
- Age 18-75 years old
- Hemoglobin ≥ 90 g/L
- Platelets ≥ 100 × 10^9/L
- ALT ≤ 3 × ULN
- Creatinine ≤ 1.5 mg/dL
Exclusion Criteria:
- History of interstitial lung disease
- Chemotherapy within 4 weeks
"""


def best(work: Callable[[], object], rounds: int = 12) -> float:
    """The shortest process time of `work`, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def registrations() -> tuple[str, list[Registration]]:
    """The five registrations where they are on this machine, else the demonstration trials."""
    catalogue = load_catalogue()
    pages = sorted((SHARED / "trials").glob("*.txt"))
    if pages:
        return "five registrations", [read_registration(page.read_text(), catalogue) for page in pages]
    studies = sorted((HERE / "app" / "demo" / "trials").glob("*.json"))
    return "demonstration trials", [read_study(json.loads(study.read_text()), catalogue) for study in studies]


def ready(desk: core.Desk, registration: Registration) -> core.ReadyTrial:
    """A trial made ready on a desk."""
    trial_id = registration.id or "trial"
    return desk.ready(trial_id, 1, registration.title, registration.status, registration.criteria)


def reports(desk: core.Desk, trials: list[core.ReadyTrial], body: bytes) -> list[bytes]:
    """From the bytes of a bundle to one serialised report a trial."""
    return core.judge_each(trials, body, OPTIONS, desk)


def bundles() -> list[tuple[str, bytes]]:
    """Bundles of a megabyte and more."""
    files = sorted((SHARED / "data" / "patients" / "synthea-r4").glob("*.json"), key=lambda file: file.stat().st_size)
    return [
        ("2,000 generated", life(2000)),
        ("4,000 generated, compact", life(4000, pretty=False)),
        *(
            (f"Synthea, {file.name.split('_')[0]}", file.read_bytes())
            for file in files
            if file.stat().st_size > _MEGABYTE
        ),
    ]


def table(title: str, *columns: str) -> Table:
    """A table whose first column is words."""
    made = Table(title=title)
    for place, column in enumerate(columns):
        made.add_column(column, justify="right" if place else "left", no_wrap=True)
    return made


def whole_reports(console: Console) -> None:
    """One bundle, five reports. Judging is what is left when the bundle is read: indexing, judging, writing."""
    desk = core.Desk(load_catalogue())
    name, read = registrations()
    trials = [ready(desk, each) for each in read]
    shown = table(
        f"One bundle, {len(trials)} reports ({name}); x = orjson.loads of the same bytes; targets 1.5 x and 0.25 x",
        "bundle", "MB", "loads ms", "reports ms", "x", "judging ms", "x", "reports MB",
    )  # fmt: skip
    for label, body in bundles():
        size = sum(map(len, reports(desk, trials, body)))
        parse = best(partial(orjson.loads, body))
        whole = best(partial(reports, desk, trials, body))
        judging = whole - best(partial(core.open_chart, body, OPTIONS, desk))
        shown.add_row(
            label,
            f"{len(body) / _MEGABYTE:.2f}",
            f"{parse * 1e3:.2f}",
            f"{whole * 1e3:.2f}",
            f"{whole / parse:.2f}",
            f"{judging * 1e3:.2f}",
            f"{judging / parse:.2f}",
            f"{size / _MEGABYTE:.2f}",
        )
    console.print(shown)


def many_trials(console: Console) -> None:
    """One patient against many trials whose criteria repeat."""
    _, read = registrations()
    pool: list[ReadCriterion] = [criterion for each in read for criterion in each.criteria]
    shown = table(
        f"One patient, many trials of 20 criteria out of {len(pool)}: what a trial costs is to fall",
        "trials", "µs a trial", "most memory MB",
    )  # fmt: skip
    body = visit()
    for count in (100, 1_000, 10_000):
        desk = core.Desk(load_catalogue())
        trials = []
        for place in range(count):
            criteria = [pool[(place * 7 + step * 13) % len(pool)] for step in range(20)]
            trials.append(desk.ready(f"T{place}", 1, f"Trial {place}", "recruiting", criteria))
        work = partial(core.judge_all, trials, body, OPTIONS, 10, desk)
        work()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        shown.add_row(f"{count:,}", f"{best(work, 5) / count * 1e6:.1f}", f"{memory:.0f}")
    console.print(shown)


def many_patients(console: Console) -> None:
    """Seven simple criteria on 35 resources, from bytes to a report, in one process."""
    desk = core.Desk(load_catalogue())
    trial = desk.ready("SEVEN", 1, "Seven", "recruiting", read_criteria_text(SEVEN, load_catalogue()))
    people = [visit(seed) for seed in range(200)]

    def judge() -> None:
        for each in people:
            core.judge(trial, each, OPTIONS, desk)

    def parse() -> None:
        for each in people:
            orjson.loads(each)

    judge()
    took, parsed = best(judge, 8), best(parse, 8)
    shown = table(
        "Seven simple criteria, 35 resources a patient, from bytes, one process; target 5,000 patients/s",
        "KB a patient", "patients/s", "x orjson.loads",
    )  # fmt: skip
    size = sum(map(len, people)) / len(people) / 1e3
    shown.add_row(f"{size:.1f}", f"{len(people) / took:,.0f}", f"{took / parsed:.2f}")
    console.print(shown)


def reading(console: Console) -> None:
    """Text to criteria in one process: lines a second, and what no registration would hold."""
    catalogue = load_catalogue()
    pages = [page.read_text() for page in sorted((SHARED / "trials").glob("*.txt"))]
    studies = sorted((HERE / "app" / "demo" / "trials").glob("*.json"))
    texts = [*pages, *(read_study(json.loads(study.read_text()), catalogue).text for study in studies)]
    lines = sum(1 for text in texts for each in read_criteria_text(text, catalogue) for _ in each.text.splitlines())
    took = best(lambda: [read_criteria_text(text, catalogue) for text in texts], 8)
    size = sum(map(len, texts))
    shown = table("Text to criteria, one process; target 5,000 lines/s", "text", "MB", "lines/s", "s", "MB/s")
    shown.add_row(
        f"{len(texts)} registrations, {lines} lines",
        f"{size / _MEGABYTE:.2f}",
        f"{lines / took:,.0f}",
        f"{took:.2f}",
        f"{size / _MEGABYTE / took:.2f}",
    )
    for name, unit in (
        ("a line of words", "wibble wobble "),
        ("nested brackets", "("),
        ("commas", "diabetes, "),
        ("numbers", "1 "),
        ("limits", "ALT < 3 x ULN, "),
        ("items", "\n- diabetes"),
    ):
        text = f"Exclusion Criteria:\n- {unit * (_MEGABYTE // len(unit))}"
        took = best(partial(read_criteria_text, text, catalogue), 1)
        shown.add_row(name, f"{len(text) / _MEGABYTE:.2f}", "", f"{took:.2f}", f"{len(text) / _MEGABYTE / took:.2f}")
    console.print(shown)


def main() -> None:
    """All of them, in a process that has its catalogue and collects garbage as workers do."""
    console = Console(width=120)
    load_catalogue()
    settle()
    for measure in (reading, whole_reports, many_trials, many_patients):
        measure(console)


if __name__ == "__main__":
    main()
