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


def trial_tables(trial: dict[str, Any]) -> Iterator[RenderableType]:
    """A stored trial: its headline, who has reviewed it, and how its criteria are read."""
    yield Text.assemble(
        (trial["title"], "bold"), f" ({trial['id']}, version {trial['version']}), {trial['status']}"
    )  # fmt: skip
    if review := trial["review"]:
        yield Text(f"Reviewed by {review['by']} on {review['at'][:10]} (version {review['version']}).")
    yield criteria_table(trial["criteria"])


def diff_tables(found: dict[str, Any]) -> Iterator[RenderableType]:
    """What changed between two versions: fields, then a row for every criterion that is another one."""
    counts_told = ", ".join(f"{count} {name}" for name, count in found["counts"].items() if count)
    yield Text.assemble(
        (f"{found['id']}, version {found['from']} to {found['to']}", "bold"), f": {counts_told or 'no criteria'}"
    )
    for each in found["fields"]:
        yield Text(f"{each['field']}: {_listed(each['before'])} → {_listed(each['after'])}")
    if not found["criteria"]:
        return
    table = Table("Id", "Change", "Words", "Read as, before and after", box=box.ROUNDED, show_lines=True)
    for each in found["criteria"]:
        ids = [side["id"] for side in (each["before"], each["after"]) if side]
        change = Text(", ".join(each["changes"]))
        if each["affectsVerdicts"]:
            change.append("\naffects verdicts", "red")
        table.add_row(" → ".join(dict.fromkeys(ids)), change, _words(each), _parts(each["parts"]))
    yield table


def _listed(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "; ".join(value)


def _words(change: dict[str, Any]) -> Text:
    """The words with what was dropped in red and what was added in green; marked, too, for those without colours."""
    if not change["words"]:
        return Text(_short((change["after"] or change["before"])["text"]))
    marks = {"same": ("", "", ""), "dropped": ("[-", "-]", "red"), "added": ("{+", "+}", "green")}
    line = Text()
    for each in change["words"]:
        before, after, colour = marks[each["op"]]
        line.append(f"{before}{_short(each['text'])}{after} ", colour)
    return line


def _parts(parts: Sequence[dict[str, Any]]) -> Group:
    lines: list[Text] = []
    for each in parts:
        if each["before"]:
            lines.append(Text(f"- {each['before']}", "red"))
        if each["after"]:
            lines.append(Text(f"+ {each['after']}", "green"))
    return Group(*lines)


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
