"""What the store promises of trials, on every database it serves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from app.criteria.review import Review
from app.errors import VersionMoved
from app.store import SqlTrials

if TYPE_CHECKING:
    from app.store import Database

CONTENT: dict[str, Any] = {
    "title": "Cells against Größe_1 tumours",
    "status": "recruiting",
    "phase": "1",
    "conditions": ("Sarcoma", "Ascites, 100%"),
    "media_type": "text/plain",
    "source": "a page",
    "document": '{"criteria":[]}',
}


async def add(database: Database, trial_id: str, digest: str, **changed: Any) -> tuple[int, bool]:
    async with database.transaction() as connection:
        return await SqlTrials(connection).add(trial_id, digest=digest, **{**CONTENT, **changed})


async def ids(database: Database, **asked: str) -> list[str]:
    async with database.transaction() as connection:
        found, _ = await SqlTrials(connection).page(offset=0, limit=100, **asked)
    return [each.id for each in found]


async def test_the_same_content_again_is_the_same_version_and_other_content_the_next(database):
    assert await add(database, "T1", "a") == (1, True)
    assert await add(database, "T1", "a") == (1, False)
    assert await add(database, "T1", "b") == (2, True)
    assert await add(database, "T1", "a") == (3, True)


async def test_a_version_keeps_what_it_was_given(database):
    await add(database, "T1", "a")
    await add(database, "T1", "b", title="Another title", document="{}")

    async with database.transaction() as connection:
        trials = SqlTrials(connection)
        first, newest = await trials.find("T1", 1), await trials.find("T1")
        assert await trials.find("T1", 3) is None
        assert await trials.find("T2") is None

    assert first is not None
    assert (first.summary.title, first.summary.version, first.document) == (CONTENT["title"], 1, '{"criteria":[]}')
    assert first.summary.conditions == ("Sarcoma", "Ascites, 100%")
    assert newest is not None
    assert (newest.summary.title, newest.summary.version, newest.document) == ("Another title", 2, "{}")


async def test_a_version_keeps_its_record_and_who_reviewed_it(database):
    at = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    await add(database, "T1", "a", record='{"briefTitle":"x"}', source_digest="s")
    assert await add(database, "T1", "b", review=Review("somebody", at)) == (2, True)
    assert await add(database, "T1", "c", review=Review("somebody", at, 2)) == (3, True)

    async with database.transaction() as connection:
        first, second, third = [await SqlTrials(connection).find("T1", number) for number in (1, 2, 3)]
    assert first is not None and second is not None and third is not None  # noqa: PT018  for the type checker
    assert (first.record, first.source_digest, first.review) == ('{"briefTitle":"x"}', "s", None)
    assert (first.media_type, first.source) == ("text/plain", "a page")
    assert second.review == third.review == Review("somebody", at, 2)


async def test_a_version_follows_the_one_it_was_made_from_or_none(database):
    assert await add(database, "T1", "a", after=0) == (1, True)
    assert await add(database, "T1", "b", after=1) == (2, True)
    with pytest.raises(VersionMoved) as refusal:
        await add(database, "T1", "c", after=1)

    assert refusal.value.newest == 2
    async with database.transaction() as connection:
        assert await SqlTrials(connection).find("T1", 3) is None


async def test_a_hidden_trial_is_shown_again_as_it_was(database):
    await add(database, "T1", "a")
    async with database.transaction() as connection:
        trials = SqlTrials(connection)
        assert not await trials.show("T1")
        await trials.hide("T1")
        before = await trials.revision()
        newest = await trials.newest("T1")
        assert newest is not None
        assert newest.summary.version == 1
        assert await trials.show("T1")
        assert await trials.revision() != before
        assert await trials.find("T1") == newest


async def test_a_hidden_trial_is_in_no_list_and_its_versions_stay(database):
    await add(database, "T1", "a")
    async with database.transaction() as connection:
        assert await SqlTrials(connection).hide("T1")
    async with database.transaction() as connection:
        trials = SqlTrials(connection)
        assert not await trials.hide("T1")
        assert not await trials.hide("T2")
        assert await trials.find("T1") is None
        assert await trials.find("T1", 1) is not None
        assert await trials.every() == []

    assert await ids(database) == []
    assert await add(database, "T1", "a") == (1, True)
    assert await ids(database) == ["T1"]


async def test_lists_search_in_any_case_and_take_wildcards_literally(database):
    await add(database, "T1", "a")
    await add(database, "T2", "b", title="Other", conditions=("Melanoma",), status="completed")

    assert await ids(database) == ["T1", "T2"]
    assert await ids(database, q="GRÖSSE_1") == ["T1"]
    assert await ids(database, q="t2") == ["T2"]
    assert await ids(database, q="gr_sse") == []
    assert await ids(database, q="%") == ["T1"]
    assert await ids(database, condition="melanOMA") == ["T2"]
    assert await ids(database, condition="cells") == []
    assert await ids(database, status="completed") == ["T2"]


async def test_pages_follow_the_ids_and_know_the_total(database):
    for number in range(5):
        await add(database, f"T{number}", str(number))

    async with database.transaction() as connection:
        page, total = await SqlTrials(connection).page(offset=2, limit=2)

    assert [each.id for each in page] == ["T2", "T3"]
    assert total == 5


async def test_every_change_moves_the_revision_and_nothing_else_does(database):
    seen = []

    async def note() -> None:
        async with database.transaction() as connection:
            seen.append(await SqlTrials(connection).revision())

    await note()
    await add(database, "T1", "a")
    await note()
    await add(database, "T1", "a")
    await note()
    async with database.transaction() as connection:
        await SqlTrials(connection).hide("T1")
    await note()

    assert seen[0] < seen[1] == seen[2] < seen[3]


async def test_an_error_undoes_the_whole_transaction(database):
    async def fail_half_way() -> None:
        async with database.transaction() as connection:
            await SqlTrials(connection).add("T1", digest="a", **CONTENT)
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        await fail_half_way()

    assert await ids(database) == []


async def test_imports_of_one_trial_at_the_same_time_queue_up(database):
    done = await asyncio.gather(*(add(database, "T1", str(number)) for number in range(6)))

    assert sorted(done) == [(number, True) for number in range(1, 7)]


async def test_documents_come_by_digest_in_any_number(database):
    async with database.transaction() as connection:
        trials = SqlTrials(connection)
        for number in range(12):
            await trials.add(f"T{number}", **{**CONTENT, "digest": f"d{number}", "document": f"[{number}]"})
        found = await trials.documents([*(f"d{number}" for number in range(12)), *map(str, range(600))])

    assert found == {f"d{number}": f"[{number}]" for number in range(12)}
