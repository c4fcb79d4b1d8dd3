"""`eligo demo`: made-up patients against made-up trials, and how to go on from there."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import orjson
from rich import box
from rich.table import Table
from rich.text import Text

from app.cli import tables
from app.demo import AS_OF, load_demo_patients, load_demo_trials
from app.main import at_hand
from app.services.forms import JSON
from app.services.options import Options
from app.settings import Settings
from app.store import Database

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rich.console import Console

    from app.main import AtHand


async def with_database(settings: Settings, work: Callable[[AtHand], Awaitable[None]], console: Console) -> None:
    """Do it on the embedded database, so that `eligo serve` has the trials afterwards.

    A server's database is left alone: no demonstration belongs there.
    """
    if Database(settings.database_url).is_sqlite:
        async with at_hand(settings) as hand:
            await work(hand)
        console.print("Go on with [bold]make serve[/] (or [bold]eligo serve[/]), then open http://127.0.0.1:8000/docs")
        return
    with tempfile.TemporaryDirectory(prefix="eligo-demo-") as folder:
        async with at_hand(Settings(database_url=f"sqlite:///{folder}/demo.db")) as hand:
            await work(hand)
    console.print(
        "ELIGO_DATABASE_URL names a server, where nothing was written. Unset it to try `eligo serve` with this."
    )


async def show(hand: AtHand, console: Console) -> None:
    """Register the trials, judge every patient by each of them, and print what came of it."""
    trials = [
        orjson.loads((await hand.trials.register(JSON, each.content.decode())).trial) for each in load_demo_trials()
    ]
    trials.sort(key=lambda trial: str(trial["id"]))
    options = Options(as_of=AS_OF)
    found: list[tuple[str, list[dict[str, Any]]]] = []
    for patient in load_demo_patients():
        reports = [
            orjson.loads(await hand.evaluation.judge(trial["id"], trial["version"], patient.content, options))
            for trial in trials
        ]
        found.append((patient.name, reports))
    console.print(Text(f"{len(trials)} made-up trials and {len(found)} made-up patients, as of {AS_OF}\n", "bold"))
    for trial in trials:
        console.print(Text.assemble((str(trial["id"]), "bold"), f"  {trial['title']}"))
    console.print(_overview(trials, found))
    for name, reports in found:
        console.rule(Text(name.replace("-", " "), "bold"))
        for each in tables.report_tables(max(reports, key=_is_telling), shows=_is_shown):
            console.print(each)
    console.print(
        "\nShown for each patient: the trial on which the record says most; of it, what rests on evidence or fails.\n"
        "Eligo supports people who screen; it decides nothing.\n"
    )


def _overview(trials: list[dict[str, Any]], found: list[tuple[str, list[dict[str, Any]]]]) -> Table:
    table = Table("Patient", *(str(trial["id"]) for trial in trials), box=box.ROUNDED, show_lines=True)
    for name, reports in found:
        table.add_row(
            name.replace("-", " "),
            *(Text.assemble(tables.word(each["overall"]), "\n", tables.counts(each["counts"])) for each in reports),
        )
    return table


def _is_shown(criterion: dict[str, Any]) -> bool:
    return bool(criterion["evidence"]) or criterion["status"] == "fail"


def _is_telling(report: dict[str, Any]) -> int:
    return sum(map(_is_shown, report["criteria"]))
