"""At 100,000 trials PostgreSQL finds by indexes what is searched for."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, text

from app.store import Database, SqlTrials, migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

COUNT = int(os.environ.get("ELIGO_PLANS", "100000"))
FILL = """
INSERT INTO trial (id, version, status, searched, conditions)
SELECT 'NCT' || lpad(n::text, 8, '0'), 1, (ARRAY['recruiting', 'completed', 'terminated', 'withdrawn'])[1 + n % 4],
       'nct' || lpad(n::text, 8, '0') || E'\\nstudy of substance ' || md5(n::text) || E'\\n' || c.name, c.name
FROM generate_series(1, :count) AS n,
     LATERAL (SELECT (ARRAY['breast cancer', 'type 2 diabetes', 'asthma', 'heart failure', 'melanoma'])[1 + n % 5]
              || CASE WHEN n % 5000 = 0 THEN E'\\ngaucher disease' ELSE '' END AS name) AS c
"""
VERSIONS = """
INSERT INTO trial_version
  (trial_id, number, digest, title, status, phase, conditions, media_type, source, document, created_at)
SELECT id, 1, id, 'Study', status, '2', '[]', 'text/plain', 'a page', '{"criteria":[]}', now() FROM trial
"""

pytestmark = pytest.mark.skipif("ELIGO_PLANS" not in os.environ, reason="`make plans` runs it: a minute of PostgreSQL.")


@pytest.fixture
async def filled(postgresql_url: str) -> AsyncIterator[Database]:
    database = Database(postgresql_url)
    async with database.transaction() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await migrate(database)
    unhurried = database.unhurried()
    async with unhurried.transaction() as connection:
        await connection.execute(text(FILL), {"count": COUNT})
        await connection.execute(text(VERSIONS))
    async with unhurried.transaction() as connection:
        for table in ("trial", "trial_version"):
            await connection.execute(text(f"ANALYZE {table}"))
    await unhurried.close()
    yield database
    await database.close()


async def test_searches_use_indexes(filled):
    statements: list[tuple[str, tuple[object, ...]]] = []

    def note(_, __, statement, parameters, *___) -> None:
        statements.append((statement, parameters))

    event.listen(filled._engine.sync_engine, "before_cursor_execute", note)
    asked = {
        "a word of a title": {"q": "c4ca4238a0b923820dcc509a6f75849b"},
        "a registry number": {"q": "NCT00000042"},
        "a rare condition": {"condition": "Gaucher"},
        "a common condition": {"condition": "melanoma"},
        "a condition and a status": {"condition": "gaucher", "status": "recruiting"},
        "everything": {},
    }
    for name, wanted in asked.items():
        async with filled.transaction() as connection:
            statements.clear()
            began = time.perf_counter()
            found, total = await SqlTrials(connection).page(offset=0, limit=50, **wanted)
            took = (time.perf_counter() - began) * 1000
            assert found
            issued = [each for each in statements if "FROM trial" in each[0]]
            plans = []
            for statement, parameters in issued:
                rows = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
                plans.append("\n".join(row[0] for row in rows))
            print(f"{name}: {total} of {COUNT}, {took:.0f} ms")  # noqa: T201  for docs/operations.md
            assert len(plans) == 2, "one counts, one lists"
            if "rare" in name or "word" in name or "number" in name or "and" in name:
                assert all("ix_trial_" in plan and "_trgm" in plan for plan in plans), "\n".join(plans)
            listed = plans[1]
            assert "Seq Scan on trial_version" not in listed, listed
            if wanted:
                assert took < 1000
