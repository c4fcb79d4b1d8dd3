"""The numbers of a full run, written into docs/cql.md."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cql.test_second_engine import Tally

PAGE = Path(__file__).parents[2] / "docs" / "cql.md"
_NUMBERS = re.compile(r"(<!-- numbers: written by `make engine` -->\n).*?(<!-- end of numbers -->)", re.DOTALL)


def numbers(tallies: Mapping[str, Tally]) -> str:
    """What came of a run, as Markdown."""
    today = datetime.now(UTC)
    rows: list[tuple[str, int, int, int, int, int]] = [
        (title, each.cases, each.agreed, each.both_open, each.alone, len(each.wrong))
        for title, each in tallies.items()
    ]  # fmt: skip
    counted = [row[1:] for row in rows]
    all_of = [sum(each) for each in zip(*counted, strict=True)]
    kinds: Counter[str] = sum((each.gaps for each in tallies.values()), Counter())
    return "\n".join(
        [
            f"In numbers ({today.day} {today:%B %Y}; answers of criteria and of their parts):",
            "",
            "| cases | patients | both answer, the same | both leave open | CQL alone leaves open | they contradict |",
            "| --- | --- | --- | --- | --- | --- |",
            *(f"| {title} | {' | '.join(f'{each:,}' for each in counts)} |" for title, *counts in rows),
            f"| all | {' | '.join(f'{each:,}' for each in all_of)} |",
            "",
            "Why CQL alone leaves open, by kind (an answer may have several):",
            "",
            "| kind | answers |",
            "| --- | --- |",
            *(f"| {kind} | {count:,} |" for kind, count in sorted(kinds.items(), key=lambda one: (-one[1], one[0]))),
            "",
        ]
    )


def write(tallies: Mapping[str, Tally]) -> None:
    """Put the numbers into the page, in place of those of the run before."""
    text = PAGE.read_text(encoding="utf-8")
    assert _NUMBERS.search(text), "docs/cql.md has no place for the numbers"
    PAGE.write_text(_NUMBERS.sub(lambda found: f"{found[1]}{numbers(tallies)}{found[2]}", text), encoding="utf-8")
