"""Ratios measured in one run, printed as a table: `make bench`.

Times are the best of several rounds of process time, garbage collection on. A ratio compares two things measured one
after the other on the same bytes, so that it means the same on another machine.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from rich.console import Console
from rich.table import Table

from app.knowledge.load import load_catalogue
from app.reader import read_criteria_text, read_registration, read_study
from app.services import core
from app.services.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.reader import ReadCriterion, Registration

sys.path.insert(0, str(Path(__file__).parent))
from records import life, visit  # noqa: E402 - beside this file

HERE = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("ELIGO_SHARED", HERE.parent / "shared"))
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


def ready(desk: core.Desk, registration: Registration, name: str | None = None) -> core.ReadyTrial:
    """A trial made ready on a desk."""
    return desk.ready(name or registration.id or "trial", 1, registration.title, registration.status, registration.criteria)


def reports(desk: core.Desk, trials: list[core.ReadyTrial], body: bytes) -> list[bytes]:
    """From the bytes of a bundle to one serialised report a trial."""
    return core.judge_each(trials, body, OPTIONS, desk)


def bundles() -> list[tuple[str, bytes]]:
    """Bundles of a megabyte and more."""
    found = [("generated, 2,000 resources", life(2000)), ("generated, compact", life(4000, pretty=False))]
    files = sorted((SHARED / "data" / "patients" / "synthea-r4").glob("*.json"), key=lambda file: file.stat().st_size)
    return found + [(f"Synthea, {file.name.split('_')[0]}", file.read_bytes()) for file in files if file.stat().st_size > 1_000_000]


def whole_reports(console: Console) -> None:
    """One bundle, five reports."""
    desk = core.Desk(load_catalogue())
    name, read = registrations()
    trials = [ready(desk, each) for each in read]
    table = Table(title=f"One bundle, {len(trials)} reports ({name})")
    for column in ("bundle", "MB", "orjson.loads ms", "bytes to reports ms", "ratio (target 1.5)", "judging ms", "ratio (target 0.25)"):
        table.add_column(column, justify="left" if column == "bundle" else "right")
    for label, body in bundles():
        reports(desk, trials, body)
        parse = best(lambda body=body: orjson.loads(body))  # type: ignore[misc]
        whole = best(lambda body=body: reports(desk, trials, body))  # type: ignore[misc]
        read_only = best(lambda body=body: core.open_chart(body, OPTIONS, desk))  # type: ignore[misc]
        judging = whole - read_only
        table.add_row(
            label,
            f"{len(body) / 1e6:.2f}",
            f"{parse * 1e3:.2f}",
            f"{whole * 1e3:.2f}",
            f"{whole / parse:.2f}",
            f"{judging * 1e3:.2f}",
            f"{judging / parse:.2f}",
        )
    console.print(table)


def many_trials(console: Console) -> None:
    """One patient against many trials whose criteria repeat."""
    _, read = registrations()
    pool: list[ReadCriterion] = [criterion for each in read for criterion in each.criteria]
    table = Table(title="One patient, many trials (20 criteria each, drawn from a pool that repeats)")
    for column in ("trials", "µs a trial", "distinct criteria", "memory MB"):
        table.add_column(column, justify="right")
    body = visit()
    for count in (100, 1_000, 10_000):
        desk = core.Desk(load_catalogue())
        trials = []
        for place in range(count):
            criteria = [pool[(place * 7 + step * 13) % len(pool)] for step in range(20)]
            trials.append(desk.ready(f"T{place}", 1, f"Trial {place}", "recruiting", criteria))
        core.judge_all(trials, body, OPTIONS, 10, desk)
        took = best(lambda trials=trials, desk=desk: core.judge_all(trials, body, OPTIONS, 10, desk), 3)  # type: ignore[misc]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        table.add_row(f"{count:,}", f"{took / count * 1e6:.1f}", f"{len(pool)}", f"{memory:.0f}")
    console.print(table)


def many_patients(console: Console) -> None:
    """Seven simple criteria on 35 resources, from bytes to a report, in one process."""
    desk = core.Desk(load_catalogue())
    trial = desk.ready("SEVEN", 1, "Seven", "recruiting", read_criteria_text(SEVEN, load_catalogue()))
    people = [visit(seed) for seed in range(200)]
    for each in people:
        core.judge(trial, each, OPTIONS, desk)
    took = best(lambda: [core.judge(trial, each, OPTIONS, desk) for each in people], 5)
    parse = best(lambda: [orjson.loads(each) for each in people], 5)
    table = Table(title="Seven simple criteria, 35 resources a patient, from bytes, one process")
    for column in ("patients/s (target 5,000)", "x orjson.loads", "KB a patient"):
        table.add_column(column, justify="right")
    table.add_row(f"{len(people) / took:,.0f}", f"{took / parse:.2f}", f"{sum(map(len, people)) / len(people) / 1e3:.1f}")
    console.print(table)


def main() -> None:
    """All of them."""
    console = Console()
    for measure in (whole_reports, many_trials, many_patients):
        measure(console)


if __name__ == "__main__":
    main()
