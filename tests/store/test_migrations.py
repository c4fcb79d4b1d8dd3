"""Migrations make exactly the tables that the models describe, once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from app.store import SqlTrials, downgrade, is_current, migrate
from app.store.database import BadDatabaseUrl, connectable_url
from app.store.models import Base

CONTENT: dict[str, Any] = {
    "title": "Cells",
    "status": "recruiting",
    "phase": "1",
    "conditions": ("Sarcoma",),
    "media_type": "text/plain",
    "source": "a page",
    "document": '{"criteria":[]}',
}


async def test_an_empty_database_becomes_current_and_stays_so(empty_database):
    assert not await is_current(empty_database)
    before, after = await migrate(empty_database)
    assert before is None
    assert after is not None
    assert await is_current(empty_database)
    assert await migrate(empty_database) == (after, after)


async def test_two_that_migrate_at_the_same_time_do_not_collide(empty_database):
    await asyncio.gather(migrate(empty_database), migrate(empty_database))

    assert await is_current(empty_database)


async def test_the_migrated_tables_are_those_of_the_models(database):
    async with database.transaction() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), Base.metadata)
        )

    assert differences == []


async def test_each_migration_can_be_undone_and_done_again_with_what_is_stored(database):
    async with database.transaction() as connection:
        await SqlTrials(connection).add("T1", **CONTENT, digest="a", record='{"briefTitle":"x"}', source_digest="s")

    await downgrade(database, "20261124_trials")
    assert not await is_current(database)
    async with database.transaction() as connection:
        rows = (await connection.execute(text("SELECT * FROM trial_version"))).mappings().all()
    assert [row["document"] for row in rows] == [CONTENT["document"]]
    assert "record" not in rows[0]

    await migrate(database)
    async with database.transaction() as connection:
        found = await SqlTrials(connection).find("T1")
    assert found is not None
    assert (found.document, found.record, found.source_digest, found.review) == (CONTENT["document"], "", "", None)

    await downgrade(database, "base")
    async with database.transaction() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert tables == ["alembic_version"]


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("sqlite:////tmp/x.db", "sqlite+aiosqlite"),
        ("postgres://u:p@h/d", "postgresql+asyncpg"),
        ("postgresql://u:p@h/d", "postgresql+asyncpg"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg"),
    ],
)
def test_a_plain_url_gets_the_driver_that_eligo_brings(given, driver):
    assert connectable_url(given).drivername == driver


@pytest.mark.parametrize(
    "given",
    [
        "nonsense:secret",
        "mysql://u:secret@h/d",
        "postgresql+psycopg2://u:secret@h/d",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_a_url_that_cannot_serve_is_refused_without_being_repeated(given):
    with pytest.raises(BadDatabaseUrl) as refusal:
        connectable_url(given)

    assert "secret" not in str(refusal.value)
