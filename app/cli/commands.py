"""The commands. Exit codes: 0 done (a judged patient, whatever the verdict), 1 refused or failed, 2 wrong usage."""

from __future__ import annotations

import asyncio
import ipaddress
import sys
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import orjson
import typer
import uvicorn
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from app import __version__
from app.cli import demonstration, tables
from app.errors import EligoError
from app.main import AtHand, at_hand, create_app, ensure_current
from app.services.core import Form
from app.services.options import BadParameter, Options, read_complete, read_max_age
from app.settings import Settings, load_settings
from app.store import Database, migrate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rich.console import RenderableType

T = TypeVar("T")
_ERROR, _USAGE = 1, 2
_SUFFIXES = frozenset({".txt", ".json"})

app = typer.Typer(
    name="eligo",
    help="What a patient's FHIR record shows about every criterion of a clinical trial. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show local variables: a patient's record among them
    context_settings={"help_option_names": ["-h", "--help"]},
)


class NotText(EligoError):
    """A file that is no text; `file` is its path."""

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} is no UTF-8 text.")
        self.file = file


class AbsenceOption(StrEnum):
    """What nothing found means."""

    OPEN = "open"
    CLOSED = "closed"


def main() -> None:
    """Run the command line."""
    try:
        app()
    except BadParameter as error:
        _fail(error, _USAGE)
    except EligoError as error:
        _fail(error, _ERROR)


def _fail(error: EligoError, code: int) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(f"[bold red]Error:[/] {escape(str(error))}")
    sys.exit(code)


def _version(*, value: bool) -> None:
    if value:
        typer.echo(f"eligo {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="The address to listen on. Without authentication: loopback only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Server processes.")] = 1,
) -> None:
    """Serve the API. An SQLite database is migrated; any other has to be current."""
    if not _is_loopback(host):
        _usage(
            f"No authentication is configured, so Eligo listens on loopback only, not on {host}. "
            "Let a gateway that authenticates forward to it."
        )
    asyncio.run(_prepare(load_settings()))
    shown = f"[{host}]" if ":" in host else host
    typer.echo(
        f"Eligo {__version__}: http://{shown}:{port}/docs has the documentation. Not a medical device.", err=True
    )
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        server_header=False,
        timeout_graceful_shutdown=30,
    )


def _form(file: Path, text: str) -> Form:
    """By the name of the file; JSON with a `resourceType` is FHIR. What is no JSON is refused by its reader."""
    if file.suffix.lower() != ".json":
        return Form.PAGE
    try:
        sent = orjson.loads(text)
    except orjson.JSONDecodeError:
        return Form.STUDY
    return Form.FHIR if isinstance(sent, dict) and "resourceType" in sent else Form.STUDY


@app.command("import")
def import_trials(
    files: Annotated[list[Path], typer.Argument(help="Pages (.txt), studies or FHIR (.json), or folders of them.")],
) -> None:
    """Register trials, as POST /v1/trials does. The exit code is 1 where any file was refused."""
    found = _expanded(files)

    async def work(hand: AtHand) -> int:
        counts = {True: 0, False: 0}
        refused = 0
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            for each in progress.track(found, description="Importing"):
                try:
                    text = _text(each)
                    registered = await hand.trials.register(_form(each, text), text)
                except EligoError as error:
                    refused += 1
                    progress.console.print(f"[red]{escape(str(each))}:[/] {escape(str(error))}", soft_wrap=True)
                else:
                    counts[registered.is_new] += 1
        typer.echo(f"{counts[True]} new, {counts[False]} as before, {refused} refused.")
        return _ERROR if refused else 0

    raise typer.Exit(_run(work))


@app.command()
def read(
    file: Annotated[
        Path, typer.Argument(help="A page or criteria (.txt), a study or FHIR (.json), or - for text from stdin.")
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The criteria as JSON.")] = False,
) -> None:
    """Show how criteria are read. Nothing is stored."""
    from app.services.local import Local  # noqa: PLC0415  the catalogue takes a moment; other commands need none of it

    text = _text(file)
    form = _form(file, text)
    if form is not Form.PAGE:
        criteria = orjson.loads(asyncio.run(Local().read_trial(form, text)).document)["criteria"]
    else:
        criteria = orjson.loads(asyncio.run(Local().read_text(text)))["criteria"]
    if as_json:
        typer.echo(orjson.dumps({"criteria": criteria}, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(tables.criteria_table(criteria))


@app.command()
def evaluate(
    bundle: Annotated[Path, typer.Argument(help="A FHIR Bundle (JSON), or - for stdin.")],
    trial: Annotated[str, typer.Option(help="The trial's id.")],
    *,
    version: Annotated[int | None, typer.Option(min=1, help="The trial's version; default: the newest.")] = None,
    as_of: Annotated[str | None, typer.Option(metavar="DATE", help="The evaluation date; default: today, UTC.")] = None,
    absence: Annotated[AbsenceOption | None, typer.Option(help="What nothing found means.")] = None,
    max_age: Annotated[str | None, typer.Option(metavar="P90D", help="Older values decide nothing.")] = None,
    complete: Annotated[
        list[str] | None, typer.Option(metavar="TYPE", help="A type that the bundle has all of.")
    ] = None,
    patient: Annotated[str | None, typer.Option(help="Who is meant, where there are several.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Judge a patient by a stored trial. The exit code is 0 whatever the verdict."""
    options = Options(
        as_of=_day(as_of),
        absence=absence.value if absence is not None else "default",
        max_age=None if max_age is None else read_max_age(max_age),
        complete=read_complete(complete or ()),
        patient=patient,
    )
    body = _bytes(bundle)

    async def work(hand: AtHand) -> bytes:
        return await hand.evaluation.judge(trial, version, body, options)

    report = _run(work)
    if as_json:
        typer.echo(report.decode())
    else:
        _print(*tables.report_tables(orjson.loads(report)))


@app.command()
def demo() -> None:
    """Judge the demonstration's patients by its trials, and say how to go on."""
    settings = load_settings()
    console = tables.console()

    async def work(hand: AtHand) -> None:
        await demonstration.show(hand, console)

    asyncio.run(demonstration.with_database(settings, work, console))


@app.command("migrate")
def migrate_database() -> None:
    """Bring the database of ELIGO_DATABASE_URL to the newest migration."""

    async def work() -> tuple[str | None, str | None]:
        database = Database(load_settings().database_url)
        try:
            return await migrate(database)
        finally:
            await database.close()

    before, after = asyncio.run(work())
    typer.echo(
        f"Already at {after}." if before == after else f"Migrated from {before or 'an empty database'} to {after}."
    )


@app.command()
def openapi() -> None:
    """Print the API description."""
    made = create_app(Settings(database_url="sqlite:///unused.db")).openapi()
    typer.echo(orjson.dumps(made, option=orjson.OPT_INDENT_2).decode())


async def _prepare(settings: Settings) -> None:
    database = Database(settings.database_url)
    try:
        await ensure_current(database)
    finally:
        await database.close()


def _run(work: Callable[[AtHand], Awaitable[T]]) -> T:
    async def run() -> T:
        async with at_hand(load_settings()) as hand:
            return await work(hand)

    return asyncio.run(run())


def _print(*shown: RenderableType) -> None:
    console = tables.console()
    for each in shown:
        console.print(each)


def _usage(message: str) -> NoReturn:
    raise typer.BadParameter(message)


def _day(given: str | None) -> date:
    try:
        return datetime.now(UTC).date() if given is None else date.fromisoformat(given)
    except ValueError:
        _usage(f"--as-of is a date such as 2026-11-22, not {given!r}.")


def _bytes(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        _usage(f"{file} cannot be read: {error.strerror}.")


def _text(file: Path) -> str:
    try:
        return _bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotText(file) from None


def _expanded(given: list[Path]) -> list[Path]:
    files: list[Path] = []
    for each in given:
        if each.is_dir():
            files += sorted(below for below in each.rglob("*") if below.suffix.lower() in _SUFFIXES and below.is_file())
        elif each.is_file():
            files.append(each)
        else:
            _usage(f"{each} is neither a file nor a folder.")
    if not files:
        _usage("No .txt or .json file was found there.")
    return files


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
