"""One engine a process, one transaction a unit of work."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import QueuePool

from app.errors import DatabaseUnavailable, EligoError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

V = TypeVar("V")

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}
_BUSY_S = 10
_LOCKED = "eligo_locked"
_PROBE_S = 1.0
"""How long a database that could not be reached is left alone before one caller tries again for all."""
_GRACE_S = 1.0
"""How much later than the server this side gives up on a statement: the server's own refusal is the cleaner one."""
_OUTAGES = ("08", "25006", "40", "53", "55P03", "57", "58")
"""SQLSTATEs, or classes of them, that say *not now*: connection, a standby that cannot write, deadlock, resources, a
lock not had in time, operator intervention (cancelled, shutting down, starting up), system error (full disk, I/O)."""


class BadDatabaseUrl(EligoError):
    """ELIGO_DATABASE_URL names no database that can be used. The URL is not repeated: it may hold a password."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"ELIGO_DATABASE_URL {reason}. Examples: sqlite:////var/lib/eligo/eligo.db, postgresql://user:password@host/eligo."
        )
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a process takes of a PostgreSQL server and how long it waits for it, in connections and seconds.

    `overflow` are connections beyond the pool in busy moments; `wait_s` is for a connection to come free, `connect_s`
    for a new one, `lock_s` for a row or table that another holds. `statement_s` is for one statement, None: any time.
    """

    pool: int = 5
    overflow: int = 5
    wait_s: float = 5.0
    connect_s: float = 5.0
    statement_s: float | None = 10.0
    lock_s: float | None = 5.0


class Watch(Protocol):
    """Who is told how the database does."""

    def transaction(self, seconds: float, *, failed: bool) -> None:
        """One transaction, from asking for a connection to its end; `failed`: the database could not be used."""

    def pool(self, used: int, idle: int) -> None:
        """Connections at work and at rest, whenever that changes."""


def connectable_url(text: str) -> URL:
    """The URL with the asynchronous driver that Eligo brings along. BadDatabaseUrl where it is none."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise BadDatabaseUrl("is not a database URL") from None
    driver = _DRIVERS.get(url.drivername, url.drivername)
    if driver not in _DRIVERS.values():
        raise BadDatabaseUrl(
            f"names {url.drivername!r}, but only SQLite (aiosqlite) and PostgreSQL (asyncpg) are served"
        )
    if driver.startswith("sqlite") and url.database in {None, "", ":memory:"}:
        raise BadDatabaseUrl("names an SQLite database in memory, which every connection would see empty; name a file")
    return url.set(drivername=driver)


class Database:
    """The engine of one process. Connects when first used; `close` gives the connections back.

    A PostgreSQL server that cannot be reached is not asked by everybody: for a moment all are refused at once, then one
    of them tries again. So a lost or frozen server holds nobody up for long, and is used again once it is back.
    """

    def __init__(self, url: str | URL, limits: Limits | None = None, watch: Watch | None = None) -> None:
        self.url = url if isinstance(url, URL) else connectable_url(url)
        self.is_sqlite = self.url.drivername.startswith("sqlite")
        self._limits = limits or Limits()
        self._watch = watch
        self._next_try: float | None = None
        # Parameters never reach a log: a search may hold anything.
        self._engine = create_async_engine(
            self.url, hide_parameters=True, **({} if self.is_sqlite else _postgresql(self._limits))
        )
        if self.is_sqlite:
            event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)

    def unhurried(self) -> Database:
        """The same database without limits of time, for migrations. It is closed on its own."""
        return Database(self.url, Limits(pool=1, overflow=0, statement_s=None, lock_s=None))

    @asynccontextmanager
    async def transaction(self, *, locked: bool = False) -> AsyncIterator[AsyncConnection]:
        """A connection whose work is committed on the way out, and undone where an error passes. DatabaseUnavailable.

        `locked` takes SQLite's write lock at once: whoever reads first and writes later would be refused otherwise.
        """
        began = time.monotonic()
        failed = False
        try:
            self._mind_outage(began)
            async with self._connected() as plain:
                self._tell_pool()
                with _outages():
                    connection = await plain.execution_options(**{_LOCKED: locked})
                    async with connection.begin():
                        yield connection
        except DatabaseUnavailable as error:
            failed = True
            if isinstance(error.__cause__, TimeoutError):  # it takes statements and answers none
                self._note_outage()
            raise
        finally:
            if self._watch is not None:
                self._watch.transaction(time.monotonic() - began, failed=failed)
                self._tell_pool()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        try:
            with _outages(all_of_them=True):
                connection = await self._engine.connect()
        except DatabaseUnavailable as error:
            if not isinstance(error.__cause__, PoolTimeout):
                self._note_outage()
            raise
        self._next_try = None
        try:
            yield connection
        finally:
            with _outages():
                await connection.close()

    def _mind_outage(self, now: float) -> None:
        """Refuse at once while the server is known to be away, unless it is time that somebody tries."""
        if self._next_try is None:
            return
        if now < self._next_try:
            raise DatabaseUnavailable("not reached a moment ago")
        self._next_try = now + self._limits.connect_s + (self._limits.statement_s or 0) + _GRACE_S

    def _note_outage(self) -> None:
        if not self.is_sqlite:
            self._next_try = time.monotonic() + _PROBE_S

    def _tell_pool(self) -> None:
        pool = self._engine.pool
        if self._watch is not None and isinstance(pool, QueuePool):
            self._watch.pool(pool.checkedout(), pool.checkedin())

    def opener(
        self, view: Callable[[AsyncConnection], V], *, locked: bool = False
    ) -> Callable[[], AbstractAsyncContextManager[V]]:
        """What begins a transaction and gives its connection through `view`. `locked` as for `transaction`."""

        @asynccontextmanager
        async def opened() -> AsyncIterator[V]:
            async with self.transaction(locked=locked) as connection:
                yield view(connection)

        return opened

    def make_folder(self) -> None:
        """Make the folder of an SQLite file, where it is not there yet."""
        if self.is_sqlite:
            try:
                Path(str(self.url.database)).parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise DatabaseUnavailable(type(error).__name__) from error

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


@contextmanager
def _outages(*, all_of_them: bool = False) -> Iterator[None]:
    """What the driver raises because the database cannot be used, as DatabaseUnavailable; bugs pass as they are.

    With `all_of_them` whatever PostgreSQL refuses counts: who cannot connect cannot use it, whatever the reason is.
    """
    try:
        yield
    except (OSError, OperationalError, InterfaceError, PoolTimeout) as error:
        raise DatabaseUnavailable(_reason(error)) from error
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", None) or "")
        is_outage = error.connection_invalidated or state.startswith(_OUTAGES)
        # Somebody has migrated under a running service: what the driver kept of its statements is dropped by now.
        if not (all_of_them or is_outage or _reason(error) == "InvalidCachedStatementError"):
            raise
        raise DatabaseUnavailable(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """The kind of error, the driver's own where there is one."""
    cause = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else None
    return type(cause or error).__name__


def _postgresql(limits: Limits) -> dict[str, Any]:
    """How the engine connects. Times are told to the server, and kept on this side where the server hangs."""
    told = {"application_name": "eligo"}
    if limits.statement_s is not None:
        told["statement_timeout"] = _ms(limits.statement_s)
        # A process that hangs in the middle of a transaction gives its locks back.
        told["idle_in_transaction_session_timeout"] = _ms(3 * limits.statement_s)
    if limits.lock_s is not None:
        told["lock_timeout"] = _ms(limits.lock_s)
    return {
        "pool_pre_ping": True,
        "pool_size": limits.pool,
        "max_overflow": limits.overflow,
        "pool_timeout": limits.wait_s,
        "pool_use_lifo": True,  # what a busy hour opened is closed again by whoever closes idle connections
        "connect_args": {
            "timeout": limits.connect_s,
            "command_timeout": None if limits.statement_s is None else limits.statement_s + _GRACE_S,
            "server_settings": told,
        },
    }


def _ms(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_LOCKED) else "BEGIN")


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes late and leaves migrations out
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA journal_mode=WAL")  # readers and the one writer do not wait for each other
    cursor.execute("PRAGMA synchronous=FULL")  # what was acknowledged outlives a power cut; trials are written seldom
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_S * 1000}")
    cursor.close()
