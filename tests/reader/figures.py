"""Prints how well the reader reads the gold set: `make reading`, or with --measure the figures that may be published.

Of the half that is set aside to measure, only figures are ever shown, never a line.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from app.knowledge.load import load_catalogue
from tests.reader.forms import lacking_names, read_form
from tests.reader.gold import HALVES, gold_files, is_here, read_gold
from tests.reader.scoring import Grade, Graded, Tally, grade_trial, tally
from tests.reference import reference_folder


@dataclass(frozen=True, slots=True)
class Half:
    """One half of the gold set, graded; `absent` counts the registrations that do not lie on this machine."""

    graded: tuple[tuple[str, list[Graded]], ...]
    texts: dict[str, str]
    absent: int

    @property
    def figures(self) -> Tally:
        """The figures over all of it."""
        return tally(graded for _, graded in self.graded)


def grade_half(half: str, shared: Path) -> Half:
    """Reads and grades one half."""
    catalogue = load_catalogue()
    graded, texts, absent = [], {}, 0
    for file in gold_files(half):
        if not is_here(file, shared):
            absent += 1
            continue
        trial = read_gold(file, shared, catalogue)
        graded.append((trial.trial, grade_trial(trial, catalogue)))
        texts[trial.trial] = trial.text
    return Half(tuple(graded), texts, absent)


def _main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--measure", action="store_true", help="figures only, of the half that is set aside")
    arguments.add_argument("--trial", help="list only the lines of this registration (of the develop half)")
    arguments.add_argument("--all", action="store_true", help="list the lines that were read right as well")
    given = arguments.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    shared = reference_folder()
    halves = {name: grade_half(name, shared) for name in (("measure",) if given.measure else HALVES)}
    if not given.measure:
        _print_lines(console, halves["develop"], given.trial, everything=given.all)
        _print_names(console, halves["develop"])
    _print_grades(console, {name: half.figures for name, half in halves.items()})
    for name, half in halves.items():
        if half.absent:
            console.print(f"{name}: {half.absent} registrations are not on this machine ({shared}).")
        _print_kinds(console, name, half.figures)


def _print_grades(console: Console, halves: dict[str, Tally]) -> None:
    table = Table("half", "registrations", "lines", *Grade, "lost", "coverage", "precision", title="Lines")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, figures in halves.items():
        table.add_row(
            name,
            str(figures.trials),
            str(figures.lines),
            *(str(figures.grades[grade]) for grade in Grade),
            str(figures.lost),
            f"{figures.coverage:.1%}",
            f"{figures.precision:.1%}",
        )
    console.print(table)


def _print_kinds(console: Console, name: str, figures: Tally) -> None:
    table = Table("kind", "expected", "made", "right", "precision", "recall", title=f"Facts by kind, {name}")
    for column in table.columns[1:]:
        column.justify = "right"
    for kind in sorted({*figures.made, *figures.expected}):
        expected, made, agreed = figures.expected[kind], figures.made[kind], figures.agreed[kind]
        table.add_row(
            kind,
            str(expected),
            str(made),
            str(agreed),
            f"{agreed / made:.1%}" if made else "-",
            f"{agreed / expected:.1%}" if expected else "-",
        )
    console.print(table)


def _print_lines(console: Console, half: Half, only: str | None, *, everything: bool) -> None:
    shown: Counter[Grade] = Counter()
    for trial, graded in half.graded:
        if only not in {None, trial}:
            continue
        for each in graded:
            is_missed = each.grade in {Grade.PART, Grade.NOTHING} and bool(_facts(each) - set(each.made))
            if not (everything or each.grade is Grade.WRONG or is_missed):
                continue
            shown[each.grade] += 1
            words = " ".join(half.texts[trial][each.line.start : each.line.end].split())
            console.print(
                f"\n{trial} {each.line.side} [{each.line.start}, {each.line.end}] {each.grade.upper()} {each.why}",
                markup=False,
            )
            console.print(f"  text:     {words}", markup=False, soft_wrap=True)
            console.print(f"  read:     {each.read}", markup=False, soft_wrap=True)
            for reads in each.line.reads:
                console.print(f"  expected: {reads}", markup=False, soft_wrap=True)
    console.print()


def _print_names(console: Console, half: Half) -> None:
    catalogue = load_catalogue()
    names = Counter(
        name
        for _, graded in half.graded
        for each in graded
        for name in {name for reads in each.line.reads for name in lacking_names(read_form(reads, catalogue))}
    )
    listed = ", ".join(name if count == 1 else f"{name} ({count})" for name, count in names.most_common())
    console.print(f"Names that the catalogue has not: {listed}\n", markup=False, soft_wrap=True)


def _facts(graded: Graded) -> set[tuple[str, str, bool]]:
    """The expected facts that data decide."""
    return {each for each in graded.expected if each[0] not in {"judgement", "note"}}


if __name__ == "__main__":
    _main()
