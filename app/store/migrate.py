"""Brings a database to the newest migration, and says whether it is there."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from app.store.database import Database

T = TypeVar("T")
_HERE = Path(__file__).parent
_LOCK = 7_234_501_188_620_417
"""Any number that nobody else locks by."""


def scripts_folder() -> Path:
    """Where the migrations lie: at the root of a checkout, within the package once installed."""
    checkout = _HERE.parents[1] / "migrations"
    return checkout if (checkout / "env.py").is_file() else _HERE / "migrations"


async def migrate(database: Database, revision: str = "head") -> tuple[str | None, str | None]:
    """Run what is missing up to a revision, in one transaction; the revisions before and after.

    Two that migrate at the same time do so one after the other, and the second finds nothing left to do.
    """
    database.make_folder()
    return await _alone(database, partial(_upgrade, revision=revision))


async def downgrade(database: Database, revision: str) -> None:
    """Undo what came after a revision (`base`: everything), in one transaction. What only newer tables hold is lost."""
    await _alone(database, partial(_downgrade, revision=revision))


async def _alone(database: Database, change: Callable[[Connection], T]) -> T:
    """Change the tables while nobody else does, and for as long as it takes."""
    unhurried = database.unhurried()
    try:
        async with unhurried.transaction(locked=True) as connection:
            if not unhurried.is_sqlite:
                # However long the other one takes, it is waited for; but a migration that has to wait for a table gives
                # up rather than hold up everybody behind it.
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                await connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            return await connection.run_sync(change)
    finally:
        await unhurried.close()


async def is_current(database: Database) -> bool:
    """Whether the database answers and is at the newest migration."""
    async with database.transaction() as connection:
        return await connection.run_sync(_revision) == _newest()


def _upgrade(connection: Connection, revision: str) -> tuple[str | None, str | None]:
    before = _revision(connection)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    return before, _revision(connection)


def _downgrade(connection: Connection, revision: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@cache
def _newest() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
