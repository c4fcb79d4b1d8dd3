"""`eligo doctor`: whether a deployment can work as it is set up, and what to do where it cannot."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import httpx
from rich.markup import escape
from sqlalchemy import text

from app.clients.terminology import Terminology
from app.emitters.canonical import DEFAULT_BASE, Canonical
from app.errors import EligoError
from app.main import open_database
from app.services.workers import Workers
from app.settings import unknown_variables
from app.store import is_current
from app.wiring.limits import job_limits
from app.wiring.site import site_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from app.settings import Settings
    from app.store import Database

State: TypeAlias = Literal["ok", "warning", "problem"]
_SIGNS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "problem": "[bold red]✗[/]"}
_WAIT_S = 5.0
_SKEW_S = 30.0
_LITTLE_DISK = 200 * 1024 * 1024
_OLDEST_SERVER = 130_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do where something is wrong ("" where nothing is)."""

    name: str
    state: State
    says: str
    todo: str = ""

    def shown(self) -> str:
        """In rich's markup."""
        todo = f"\n    → {escape(self.todo)}" if self.todo else ""
        return f"{_SIGNS[self.state]} [bold]{escape(self.name)}[/]: {escape(self.says)}{todo}"

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


@dataclass(slots=True)
class _Clocks:
    """By how many seconds the clocks of others are ahead of this one's."""

    ahead: list[tuple[str, float]]

    def note(self, whose: str, at: datetime) -> None:
        self.ahead.append((whose, (at - datetime.now(UTC)).total_seconds()))

    def note_answer(self, answer: httpx.Response) -> None:
        try:
            at = parsedate_to_datetime(answer.headers.get("Date", ""))
        except ValueError:
            return
        self.note(answer.url.host, at if at.tzinfo else at.replace(tzinfo=UTC))


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Everything that is worth a look, one after the other."""
    clocks = _Clocks([])
    for each in _variables():
        yield each
    async for each in _database(settings, clocks):
        yield each
    async with httpx.AsyncClient(timeout=_WAIT_S, trust_env=False) as client:
        async for each in _authentication(settings, client, clocks):
            yield each
        for each in _addresses(settings):
            yield each
        if settings.otel_endpoint:
            yield await _told(
                "Traces",
                f"{settings.otel_endpoint} answers",
                client.get(settings.otel_endpoint),
                "Start the collector.",
            )
    if settings.terminology_url:
        yield await _terminology(settings)
    yield _clock(clocks)
    yield _temporary()
    yield await _workers(settings)


def _variables() -> list[Finding]:
    odd = unknown_variables(os.environ)
    if not odd:
        return [Finding("Settings", "ok", "all can be used")]
    return [
        Finding(
            "Settings",
            "warning",
            f"{name} is no setting and changes nothing",
            f"Did you mean {meant}?" if meant else "Unset it; docs/settings.md lists all settings.",
        )
        for name, meant in odd.items()
    ]


async def _database(settings: Settings, clocks: _Clocks) -> AsyncIterator[Finding]:
    try:
        database = open_database(settings)
    except EligoError as error:
        yield Finding("Database", "problem", str(error), "Correct ELIGO_DATABASE_URL.")
        return
    try:
        if database.is_sqlite:
            found, is_there = _sqlite_file(Path(str(database.url.database)))
            yield found
            if found.state == "problem" or not is_there:
                return
        async for each in _server(settings, database, clocks):
            yield each
    finally:
        await database.close()


def _sqlite_file(path: Path) -> tuple[Finding, bool]:
    """What is to be said of the file, and whether there is one."""
    is_there = path.exists()
    folder = next(each for each in path.absolute().parents if each.exists())
    if not os.access(folder, os.W_OK) or (is_there and not os.access(path, os.W_OK)):
        todo = "Give this user the folder, or name another file."
        return Finding("Database", "problem", f"{path} cannot be written", todo), is_there
    free = shutil.disk_usage(folder).free
    if free < _LITTLE_DISK:
        says = f"only {free // 1024**2} MB are free beside {path}"
        return Finding("Database", "warning", says, "Free some space."), is_there
    state = "is there" if is_there else "will be made at the start"
    return Finding("Database", "ok", f"SQLite, {path} {state}"), is_there


async def _server(settings: Settings, database: Database, clocks: _Clocks) -> AsyncIterator[Finding]:
    began = time.perf_counter()
    indexes = 0
    try:
        if not database.is_sqlite:
            async with database.transaction() as connection:
                version, most, now = (
                    await connection.execute(
                        text(
                            "SELECT current_setting('server_version_num')::int,"
                            " current_setting('max_connections')::int, clock_timestamp()"
                        )
                    )
                ).one()
                indexes = await connection.scalar(
                    text("SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'ix_trial_%_trgm'")
                )
            clocks.note("the database", now)
            took = (time.perf_counter() - began) * 1000
            if version < _OLDEST_SERVER:
                yield Finding("Database", "warning", f"PostgreSQL {version // 10000} is old", "Use 13 or newer.")
            else:
                yield Finding("Database", "ok", f"PostgreSQL {version // 10000} answers in {took:.0f} ms")
            asked = settings.database_pool_size + settings.database_pool_overflow
            if asked > most / 2:
                yield Finding(
                    "Connections",
                    "warning",
                    f"one server process may take {asked} of the server's {most} connections",
                    "Lower ELIGO_DATABASE_POOL_SIZE or raise max_connections: each server process takes so many.",
                )
        is_new = await is_current(database)
    except EligoError as error:
        yield Finding(
            "Database",
            "problem",
            str(error),
            "Look whether the server runs and ELIGO_DATABASE_URL has the right address, user, password and name.",
        )
        return
    if is_new:
        yield Finding("Migrations", "ok", "at the newest")
        if not database.is_sqlite and not indexes:
            yield Finding(
                "Search",
                "warning",
                "the indexes for searching are missing",
                "docs/operations.md (PostgreSQL) adds them.",
            )
    elif database.is_sqlite:
        yield Finding("Migrations", "ok", "will be run at the start")
    else:
        yield Finding("Migrations", "problem", "the tables are not those of this release", "Run `eligo migrate`.")


async def _authentication(settings: Settings, client: httpx.AsyncClient, clocks: _Clocks) -> AsyncIterator[Finding]:
    if settings.why_local:
        yield Finding("Authentication", "warning", "nobody but this machine is answered", settings.why_local)
    else:
        yield Finding("Authentication", "ok", "callers need a token")
    for issuer, address in {**settings.auth_issuers, **settings.cds_issuers}.items():
        name = f"Keys of {issuer}"
        todo = "Correct the address in ELIGO_AUTH_ISSUERS or ELIGO_CDS_ISSUERS, or let this machine reach it."
        try:
            answer = await client.get(address)
            clocks.note_answer(answer)
            keys = answer.raise_for_status().json()["keys"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            yield Finding(name, "problem", f"{address} gives no keys ({type(error).__name__})", todo)
        else:
            yield Finding(name, "ok" if keys else "problem", f"{len(keys)} keys at {address}", "" if keys else todo)
    if settings.auth_introspection_url:
        yield await _told(
            "Introspection",
            f"{settings.auth_introspection_url} answers",
            client.post(settings.auth_introspection_url),
            "Correct ELIGO_AUTH_INTROSPECTION_URL, or let this machine reach it.",
        )


def _addresses(settings: Settings) -> list[Finding]:
    found = []
    if not settings.public_url:
        state: State = "problem" if settings.asks_for_tokens and not settings.auth_audience else "warning"
        found.append(
            Finding("Public address", state, "none is set", "Set ELIGO_PUBLIC_URL to the address that callers use.")
        )
    elif settings.public_url.startswith("http://"):
        found.append(
            Finding(
                "Public address",
                "warning",
                f"{settings.public_url} is not encrypted",
                "Let a gateway encrypt, and set its https address.",
            )
        )
    else:
        found.append(Finding("Public address", "ok", settings.public_url))
    if settings.canonical_url == DEFAULT_BASE:
        found.append(
            Finding(
                "Canonical address",
                "warning",
                f"what is published of trials is named under {DEFAULT_BASE}",
                "Set ELIGO_CANONICAL_URL before trials are published; it must not change afterwards.",
            )
        )
    return found


async def _terminology(settings: Settings) -> Finding:
    server = Terminology(settings.terminology_url, timeout_s=_WAIT_S)
    try:
        version = await server.current_version()
    except EligoError as error:
        return Finding("Terminology server", "problem", str(error), "Correct or unset ELIGO_TERMINOLOGY_URL.")
    finally:
        await server.close()
    return Finding("Terminology server", "ok", f"has SNOMED CT {version}")


def _clock(clocks: _Clocks) -> Finding:
    if not clocks.ahead:
        return Finding("Clock", "ok", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; there is none to compare it with")
    whose, ahead = max(clocks.ahead, key=lambda each: abs(each[1]))
    if abs(ahead) > _SKEW_S:
        return Finding(
            "Clock",
            "problem",
            f"this machine and {whose} are {abs(ahead):.0f} seconds apart",
            "Let both keep time by NTP: tokens would count too long or not at all, and days begin at another time.",
        )
    return Finding("Clock", "ok", f"agrees with {len(clocks.ahead)} others")


def _temporary() -> Finding:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
    except OSError as error:
        return Finding(
            "Temporary files",
            "warning",
            f"none can be written ({type(error).__name__})",
            "Mount a small writable /tmp: several server processes keep their metrics there.",
        )
    return Finding("Temporary files", "ok", "can be written")


async def _workers(settings: Settings) -> Finding:
    try:
        site = site_of(settings)
    except EligoError as error:
        return Finding("Judging", "problem", str(error), "Correct the setting.")
    workers = Workers(1, job_limits(settings), Canonical(settings.canonical_url), site=site)
    began = time.perf_counter()
    try:
        await workers.start()
    finally:
        workers.close()
    if not workers.is_ready:
        return Finding(
            "Judging", "problem", "a judging process does not start", "The log says why; often too little memory."
        )
    took, cores = time.perf_counter() - began, os.cpu_count() or 1
    if settings.judge_processes > cores:
        return Finding(
            "Judging",
            "warning",
            f"{settings.judge_processes} processes share {cores} cores",
            "Set ELIGO_JUDGE_PROCESSES to the number of cores or fewer.",
        )
    return Finding("Judging", "ok", f"a process starts in {took:.1f} s")


async def _told(name: str, says: str, call: Awaitable[httpx.Response], todo: str) -> Finding:
    try:
        await call
    except httpx.HTTPError as error:
        return Finding(name, "problem", f"no answer ({type(error).__name__})", todo)
    return Finding(name, "ok", says)


async def report(settings: Settings, tell: Callable[[Finding], None]) -> bool:
    """Tell each finding when it is made; whether nothing is a problem."""
    is_well = True
    async for each in examine(settings):
        tell(each)
        is_well = is_well and each.state != "problem"
    return is_well
