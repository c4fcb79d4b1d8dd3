"""One engine a process, one transaction a unit of work."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app.errors import EligoError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}
_BUSY_S = 10
_LOCKED = "eligo_locked"


class BadDatabaseUrl(EligoError):
    """ELIGO_DATABASE_URL names no database that can be used. The URL is not repeated: it may hold a password."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"ELIGO_DATABASE_URL {reason}. Examples: sqlite:////var/lib/eligo/eligo.db, postgresql://user:password@host/eligo."
        )
        self.reason = reason


class DatabaseUnavailable(EligoError):
    """The database does not answer, or not in time; `reason` is the kind of error, without the server's words."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The database cannot be used now ({reason}). Try again; GET /health/ready tells when it can.")
        self.reason = reason


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
    """The engine of one process. Connects when first used; `close` gives the connections back."""

    def __init__(self, url: str) -> None:
        self.url = connectable_url(url)
        self.is_sqlite = self.url.drivername.startswith("sqlite")
        # Parameters never reach a log: a search may hold anything.
        self._engine = create_async_engine(self.url, hide_parameters=True, pool_pre_ping=not self.is_sqlite)
        if self.is_sqlite:
            event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)

    @asynccontextmanager
    async def transaction(self, *, locked: bool = False) -> AsyncIterator[AsyncConnection]:
        """A connection whose work is committed on the way out, and undone where an error passes.

        `locked` takes SQLite's write lock at once: whoever reads first and writes later would be refused otherwise.
        """
        try:
            async with self._engine.connect() as plain:
                connection = await plain.execution_options(**{_LOCKED: locked})
                async with connection.begin():
                    yield connection
        except (OSError, OperationalError, InterfaceError, PoolTimeout) as error:
            raise DatabaseUnavailable(type(error).__name__) from error

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


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_LOCKED) else "BEGIN")


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes late and leaves migrations out
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA journal_mode=WAL")  # readers and the one writer do not wait for each other
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_S * 1000}")
    cursor.close()
