"""The commands. Exit codes: 0 done (a judged patient, whatever the verdict), 1 refused or failed, 2 wrong usage."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import orjson
import typer
import uvicorn
from rich.console import Console
from rich.markup import escape

from app import __version__
from app.api.callers import ANONYMOUS
from app.api.cds_clients import is_loopback
from app.cli import coverage, demonstration, exporting, files, importing, settings_table, tables
from app.cli import doctor as examination
from app.emitters.canonical import fhir_id
from app.emitters.fhir import FhirVersion
from app.errors import EligoError
from app.main import AtHand, at_hand, create_app, ensure_current, open_database
from app.observability.logs import configuration
from app.observability.metrics import shared_figures
from app.services.options import BadParameter, Options, read_complete, read_max_age
from app.settings import Settings, load_settings
from app.store import migrate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rich.console import RenderableType

    from app.services.trials import Registered

T = TypeVar("T")
_ERROR, _USAGE = 1, 2

app = typer.Typer(
    name="eligo",
    help="What a patient's FHIR record shows about every criterion of a clinical trial. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show local variables: a patient's record among them
    context_settings={"help_option_names": ["-h", "--help"]},
)


class AbsenceOption(StrEnum):
    """What nothing found means."""

    OPEN = "open"
    CLOSED = "closed"


def main() -> None:
    """Run the command line."""
    try:
        app()
    except (BadParameter, files.BadPath) as error:
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
    settings = load_settings()
    if not is_loopback(host) and settings.why_local:
        _usage(f"Eligo listens on loopback only, not on {host}. {settings.why_local}")
    asyncio.run(_prepare(settings))
    shown = f"[{host}]" if ":" in host else host
    if settings.log_format != "json":
        typer.echo(
            f"Eligo {__version__}: http://{shown}:{port}/docs has the documentation. Not a medical device.", err=True
        )
    with shared_figures(workers):
        uvicorn.run(
            "app.main:create_app",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            server_header=False,
            proxy_headers=False,  # Eligo reads them itself, and only from ELIGO_TRUSTED_PROXIES
            http="app.api.slow:PatientProtocol",
            limit_concurrency=settings.max_connections,
            timeout_graceful_shutdown=settings.shutdown_s,
            access_log=False,  # it has paths and queries in it; eligo.access has the route
            log_config=configuration(settings.log_format, settings.log_level),
        )


@app.command("import")
def import_trials(
    given: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|FOLDER|NUMBER...",
            help="Pages (.txt), studies, lists of criteria or FHIR (.json), many of them (.ndjson, .jsonl, .csv), "
            "older studies (.xml), folders of all these, and numbers such as NCT03619954 to fetch from the register.",
        ),
    ],
    *,
    journal: Annotated[
        Path | None,
        typer.Option(help="A file to keep what is done in: the same command with it goes on where one broke off."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="What came of each trial, as lines of JSON.")] = False,
) -> None:
    """Register trials, as POST /v1/trials does, and say what was understood. Exit code 1 where any was refused."""
    sources = importing.sources_of(given)

    def say(done: dict[str, Any]) -> None:
        line = orjson.dumps(done).decode() if as_json else importing.in_words(done)
        if line:
            typer.echo(line)

    async def work(hand: AtHand) -> int:
        importer = importing.Importer(hand, importing.Journal(journal), say)
        await importer.run(sources)
        typer.echo(importer.tally.words(), err=as_json)
        return _ERROR if importer.tally.refused else 0

    raise typer.Exit(_run(work))


@app.command()
def read(
    given: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE", help="A page or criteria, a study, FHIR ... as for `eligo import`, or - for stdin."
        ),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The criteria (or the report) as JSON.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Read many files and folders, and write to DIR how much was understood and what to learn next.",
        ),
    ] = None,
) -> None:
    """Show how criteria are read. Nothing is stored."""
    if report is not None:
        raise typer.Exit(_report(files.expanded(given), report, as_json=as_json))
    if len(given) != 1:
        _usage("Give one file; or --report DIR for many.")
    from app.services.local import Local  # noqa: PLC0415  the catalogue takes a moment; other commands need none of it

    file = given[0]
    criteria = orjson.loads(asyncio.run(Local().read(files.media_type_of(file), files.read_text(file))))["criteria"]
    if as_json:
        typer.echo(orjson.dumps({"criteria": criteria}, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(tables.criteria_table(criteria))


def _report(sources: list[Path], folder: Path, *, as_json: bool) -> int:
    found = coverage.measure(sources)
    coverage.write(found, folder)
    if as_json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(coverage.shown(found))
        for each in found["refused"]:
            typer.echo(f"{each['source']}: {each['error']}", err=True)
        typer.echo(f"Written to {folder}: {coverage.TEXT_NAME}, {coverage.JSON_NAME}.")
    return _ERROR if found["refused"] else 0


@app.command()
def show(
    trial: Annotated[str, typer.Argument(help="The trial's id.")],
    *,
    version: Annotated[int | None, typer.Option(min=1, help="The version; default: the newest.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The trial as JSON, as a start for `eligo correct`.")] = False,
) -> None:
    """Show a stored trial, and how its criteria are read."""

    async def work(hand: AtHand) -> bytes:
        return (await hand.trials.get(trial, version)).trial

    found = _run(work)
    if as_json:
        typer.echo(orjson.dumps(orjson.loads(found), option=orjson.OPT_INDENT_2).decode())
    else:
        _print(*tables.trial_tables(orjson.loads(found)))


class FhirOption(StrEnum):
    """The FHIR versions that trials are written in."""

    R4 = "4.0"
    R5 = "5.0"


@app.command()
def export(
    trial: Annotated[str, typer.Argument(help="The trial's id.")],
    *,
    fhir: Annotated[FhirOption, typer.Option(help="The FHIR version: 4.0 (R4) or 5.0 (R5).")] = FhirOption.R4,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the Bundle and each resource to files there.")
    ] = None,
) -> None:
    """Write a stored trial as FHIR: everything of it in one Bundle, which another engine can load and run."""

    async def work(hand: AtHand) -> bytes:
        await hand.trials.get(trial)  # refuses in the words of the command line what is not stored
        return await hand.studies.package(fhir_id(trial), FhirVersion(fhir.value))

    made = _run(work)
    if out is None:
        typer.echo(exporting.pretty(orjson.loads(made)).decode(), nl=False)
    else:
        names = exporting.write_package(made, out)
        typer.echo(f"{len(names)} files written to {out}.")


@app.command()
def correct(
    trial: Annotated[str, typer.Argument(help="The trial's id.")],
    file: Annotated[Path, typer.Argument(help='{"criteria": [{"id", "expression", "note"}]}, or - for stdin.')],
    *,
    by: Annotated[str, typer.Option(help="Who corrects; kept with the version.")] = ANONYMOUS,
    if_version: Annotated[
        int | None, typer.Option(min=1, help="Refuse where another version is the newest by now.")
    ] = None,
) -> None:
    """Correct how criteria are read, as the next version. The same corrections again change nothing."""
    body = files.read_text(file)

    async def work(hand: AtHand) -> Registered:
        return await hand.trials.correct(trial, body, by, None if if_version is None else (if_version,))

    corrected = _run(work)
    state = "new" if corrected.is_new else "as before"
    typer.echo(f"{corrected.id} version {corrected.version} ({state}), reviewed.")


@app.command()
def diff(
    trial: Annotated[str, typer.Argument(help="The trial's id.")],
    before: Annotated[int, typer.Argument(min=1, help="A version.")],
    after: Annotated[int, typer.Argument(min=1, help="A later one.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="What changed as JSON.")] = False,
) -> None:
    """Show what an amendment changed: criteria added, dropped, reworded, moved, or read otherwise."""

    async def work(hand: AtHand) -> bytes:
        return await hand.trials.diff(trial, before, after)

    found = _run(work)
    if as_json:
        typer.echo(found.decode())
    else:
        _print(*tables.diff_tables(orjson.loads(found)))


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
    body = files.read_bytes(bundle)

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
        database = open_database(load_settings())
        try:
            return await migrate(database)
        finally:
            await database.close()

    before, after = asyncio.run(work())
    typer.echo(
        f"Already at {after}." if before == after else f"Migrated from {before or 'an empty database'} to {after}."
    )


@app.command()
def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="The findings as lines of JSON.")] = False) -> None:
    """Check a deployment: settings, database, keys, clock, workers ... Exit code 1 where something cannot work."""
    console = tables.console()

    def tell(found: examination.Finding) -> None:
        if as_json:
            typer.echo(orjson.dumps(found.as_json()).decode())
        else:
            console.print(found.shown(), soft_wrap=True)

    try:
        settings = load_settings()
    except EligoError as error:
        tell(examination.Finding("Settings", "problem", str(error), "docs/settings.md lists all settings."))
        raise typer.Exit(_ERROR) from None
    if not asyncio.run(examination.report(settings, tell)):
        raise typer.Exit(_ERROR)


@app.command("settings")
def show_settings(
    *,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="All of them, as the documentation has them.")
    ] = False,
) -> None:
    """Show the settings in force, and where each comes from. Secrets are not shown."""
    if as_markdown:
        typer.echo(settings_table.markdown(), nl=False)
    else:
        _print(settings_table.in_force(load_settings()))


@app.command()
def openapi() -> None:
    """Print the API description."""
    made = create_app(Settings(database_url="sqlite:///unused.db")).openapi()
    typer.echo(orjson.dumps(made, option=orjson.OPT_INDENT_2).decode())


async def _prepare(settings: Settings) -> None:
    database = open_database(settings)
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
