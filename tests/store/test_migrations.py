"""Migrations make exactly the tables that the models describe, once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from app.store import Database, SqlTrials, downgrade, is_current, migrate
from app.store.database import BadDatabaseUrl, connectable_url
from app.store.migrate import scripts_folder
from app.store.models import Base

REVISIONS = [each.revision for each in reversed(list(ScriptDirectory(str(scripts_folder())).walk_revisions()))]
"""From the oldest to the newest."""
ROWS = {
    "trial": "INSERT INTO trial (id, version, status, searched, conditions) VALUES ('T1', 1, 'recruiting', 't1', '')",
    "trial_version": "INSERT INTO trial_version (trial_id, number, digest, title, status, phase, conditions, "
    "media_type, source, document, created_at)"
    " VALUES ('T1', 1, 'a', 'Cells', 'recruiting', '1', '[]', 'text/plain', 'a page',"
    """ '{"criteria":[]}', '2026-11-24 12:00:00')""",
    "revision": "UPDATE revision SET number = 7",
    "feedback": "INSERT INTO feedback (card, outcome, at, trial_id, service_id, suggestions, reason)"
    " VALUES ('c', 'accepted', '2026-11-24 12:00:00', 'T1', 's', '[]', '')",
    "used_token": "INSERT INTO used_token (digest, until) VALUES ('d', '2026-11-24 12:00:00')",
    "concept_map": "INSERT INTO concept_map (id, number, fhir_version, content, created_at)"
    " VALUES ('m', 1, '4.0', '{}', '2026-11-24 12:00:00')",
    "compiled": "INSERT INTO compiled (digest, elm, compiled_at) VALUES ('d', '{}', '2026-11-24 12:00:00')",
    "supplement": "INSERT INTO supplement (id, number, fhir_version, content, created_at)"
    " VALUES ('s', 1, '4.0', '{}', '2026-11-24 12:00:00')",
    "expansion": "INSERT INTO expansion (digest, version, ecl, code, codes, fetched_at)"
    " VALUES ('d', 'v', '<<1', '1', '[]', '2026-11-24 12:00:00')",
}
"""A row for each table; a new table needs one here."""
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


def test_two_processes_that_migrate_at_the_same_time_do_not_collide(empty_database):
    command = [sys.executable, "-c", "from app.cli import main; main()", "migrate"]
    environment = {**os.environ, "ELIGO_DATABASE_URL": empty_database.url.render_as_string(hide_password=False)}
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [each.communicate(timeout=60)[0] for each in both]

    assert [each.returncode for each in both] == [0, 0]
    assert sorted(each.partition(" ")[0] for each in said) == ["Already", "Migrated"]


async def test_the_migrated_tables_are_those_of_the_models(database):
    def is_here(item: Any, name: str | None, kind: str, *_: object) -> bool:
        return not (kind == "index" and database.is_sqlite and str(name).endswith("_trgm"))

    async with database.transaction() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"compare_type": True, "include_object": is_here}), Base.metadata
            )
        )

    assert differences == []


async def fill(database: Database, revision: str) -> dict[str, list[dict[str, Any]]]:
    """One row in each table that there is at a revision; what stands in the database then, by table."""
    async with database.transaction(locked=True) as connection:
        tables = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
        for table, statement in ROWS.items():
            if table in tables:
                await connection.execute(text(statement))
    return await everything(database, revision)


async def everything(database: Database, revision: str) -> dict[str, list[dict[str, Any]]]:
    anew = Database(database.url)  # a connection remembers which columns `*` had
    async with anew.transaction() as connection:
        assert (
            await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision()) == revision
        )
        tables = await connection.run_sync(lambda sync: sorted(inspect(sync).get_table_names()))
        found = {}
        for table in tables:
            if table != "alembic_version":
                rows = (await connection.execute(text(f"SELECT * FROM {table}"))).mappings().all()
                found[table] = [dict(row) for row in rows]
    await anew.close()
    return found


@pytest.mark.parametrize("revision", REVISIONS)
async def test_from_every_revision_up_and_down_again_with_what_is_stored(empty_database, revision):
    await migrate(empty_database, revision)
    before = await fill(empty_database, revision)
    assert all(before.values()), "every table has a row"

    await migrate(empty_database)
    after = await everything(empty_database, REVISIONS[-1])
    for table, rows in before.items():
        assert len(after[table]) == len(rows)
        for old, new in zip(rows, after[table], strict=True):
            assert old.items() <= new.items(), f"{table} kept what it had"
    async with empty_database.transaction() as connection:
        found = await SqlTrials(connection).find("T1")
        assert found is not None
        assert (found.document, found.source) == ('{"criteria":[]}', "a page")
        assert await SqlTrials(connection).add("T1", **CONTENT, digest="b") == (2, True)
    async with empty_database.transaction(locked=True) as connection:
        await connection.execute(text("DELETE FROM trial_version WHERE number = 2"))
        await connection.execute(
            text("UPDATE trial SET version = 1, status = 'recruiting', searched = 't1', conditions = ''")
        )
        await connection.execute(text("UPDATE revision SET number = 7"))

    await downgrade(empty_database, revision)
    assert await everything(empty_database, revision) == before
    assert not await is_current(empty_database) or revision == REVISIONS[-1]

    await migrate(empty_database)
    assert await is_current(empty_database)


async def test_everything_can_be_undone(database):
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
