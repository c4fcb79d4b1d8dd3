"""Reports and criteria as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import RenderableType

_COLOURS = {
    "pass": "green",
    "eligible": "green",
    "computable": "green",
    "fail": "red",
    "ineligible": "red",
    "unread": "red",
    "unknown": "yellow",
    "undetermined": "yellow",
    "partial": "yellow",
    "review": "cyan",
    "judgement": "cyan",
    "note": "dim",
}
_LONGEST = 300
_WIDE = 140


def word(name: str) -> Text:
    """A status, a verdict or a reading in its colour."""
    return Text(name, _COLOURS.get(name, ""))


def criteria_table(criteria: Sequence[dict[str, Any]]) -> Table:
    """How criteria were read: what stands there, and what was understood."""
    table = Table("Id", "Reading", "Text", "Read as", box=box.ROUNDED, show_lines=True)
    for each in criteria:
        says = Text(each["says"])
        for note in each["notes"]:
            says.append(f"\n{note}", "dim")
        table.add_row(each["id"], word(each["reading"]), Text(_short(each["text"])), says)
    return table


def console() -> Console:
    """The terminal; wide enough for tables where it is none."""
    found = Console()
    return found if found.is_terminal else Console(width=_WIDE)


def report_tables(
    report: dict[str, Any], *, shows: Callable[[dict[str, Any]], bool] = lambda _: True
) -> Iterator[RenderableType]:
    """A report: its headline, a row for every criterion that `shows` picks, and the warnings."""
    trial = report["trial"]
    yield Text.assemble(
        (trial["title"], "bold"), f" ({trial['id']}, version {trial['version']})\n",
        report["patient"], f" as of {report['asOf']}: ", word(report["overall"]), "  ", counts(report["counts"]),
    )  # fmt: skip
    table = Table("Id", "Status", "Criterion", "Why, and what is missing", box=box.ROUNDED, show_lines=True)
    for each in report["criteria"]:
        if shows(each):
            table.add_row(each["id"], word(each["status"]), Text(_short(each["text"])), _why(each))
    yield table
    for each in report["warnings"]:
        yield Text(f"Warning: {each['text']} ({each['reference']})", "yellow")


def counts(found: dict[str, int]) -> Text:
    """How many criteria have which status."""
    line = Text()
    for name, count in found.items():
        if count:
            line.append(f"{count} {name}  ", _COLOURS.get(name, ""))
    return line


def _why(criterion: dict[str, Any]) -> Group:
    lines = [Text(criterion["explanation"])]
    if criterion["passesFrom"]:
        lines.append(Text(f"Passes from {criterion['passesFrom']}.", "bold"))
    for each in _once(criterion["evidence"]):
        value = f" {each['value']}" if each["value"] else ""
        when = f" ({each['effective']}{', stale' if each['stale'] else ''})" if each["effective"] else ""
        lines.append(Text(f"{each['role']}: {each['reference']}{value}{when}", "dim"))
    for each in _once(criterion["missing"]):
        window = f" within {each['window']}" if each["window"] else ""
        lines.append(Text(f"missing: {each['type']}, {each['text']}{window}", "yellow"))
    lines.extend(Text(f"to ask: {each['text']}", "cyan") for each in _once(criterion["questions"]))
    return Group(*lines)


def _once(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for place, each in enumerate(items) if each not in items[:place]]


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST else f"{flat[:_LONGEST]}…"
