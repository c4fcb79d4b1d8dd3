"""What worker processes promise: refusals cross whole, bugs without a word of the record, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import date
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from app.api.examples import BUNDLE, PAGE
from app.fhir.errors import SeveralPatients, UnknownPatient
from app.services import core, reading, workers
from app.services.options import BadParameter, Options, read_complete, read_max_age
from app.services.workers import JobLimits, TooBusy, TookTooLong, WorkerLost, Workers, WorkFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPTIONS = Options(date(2026, 11, 22))
BODY = reading.dumps(BUNDLE)


def process_id(_: core.Desk) -> int:
    return os.getpid()


def refuse(_: core.Desk) -> None:
    raise SeveralPatients(("a", "b"))


def stumble(_: core.Desk, datum: str) -> None:
    raise ValueError(datum)


def die(_: core.Desk) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def doze(_: core.Desk, seconds: float) -> str:
    time.sleep(seconds)
    return "awake"


def known(desk: core.Desk) -> int:
    return len(desk.trials)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[Workers]:
    made = Workers(1)
    await made.start()
    yield made
    made.close()


async def run(pool: Workers, job, *arguments):
    return await pool._workers[0].run(job, *arguments)


async def test_a_refusal_arrives_with_all_its_data(pool):
    with pytest.raises(SeveralPatients, match="2 patients") as refusal:
        await run(pool, refuse)

    assert refusal.value.ids == ("a", "b")


async def test_a_bug_is_told_and_logged_without_its_message(pool, caplog):
    with pytest.raises(WorkFailed) as bug:
        await run(pool, stumble, "Mrs Jones")

    for told in (str(bug.value), caplog.text):
        assert "Jones" not in told
        assert "test_workers.py" in told
    assert "ValueError at " in str(bug.value)


async def test_a_lost_worker_is_replaced(pool):
    before = await run(pool, process_id)
    with pytest.raises(WorkerLost):
        await run(pool, die)

    assert await run(pool, process_id) != before


async def test_a_job_past_the_limit_is_stopped_and_the_next_one_runs():
    pool = Workers(1)
    await pool.start()
    pool._workers[0]._limits = JobLimits(run_s=0.2)
    with pytest.raises(TookTooLong):
        await run(pool, doze, 60)
    pool._workers[0]._limits = JobLimits()
    assert await run(pool, doze, 0) == "awake"
    pool.close()


async def test_who_goes_away_does_not_disturb_who_comes_next(pool):
    gone = asyncio.create_task(run(pool, doze, 0.3))
    await asyncio.sleep(0.1)
    gone.cancel()

    assert await run(pool, doze, 0) == "awake"
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_trial_crosses_once_and_again_after_it_was_forgotten(pool, monkeypatch):
    read = [await pool.read_trial("text/plain", PAGE.replace("Age 18", f"Age {age}")) for age in (18, 19, 20)]
    documents = {each.digest: each.document for each in read}
    fetched: list[str] = []

    async def fetch(digests: Sequence[str]) -> dict[str, str]:
        fetched.extend(digests)
        return {each: documents[each] for each in digests}

    keys = [core.TrialKey(each.digest, 1) for each in read]
    first = await pool.judge_all(keys[:2], BODY, OPTIONS, None, fetch)
    assert await pool.judge_all(keys[:2], BODY, OPTIONS, None, fetch) == first
    assert fetched == [each.digest for each in keys[:2]]

    monkeypatch.setattr(workers, "MAX_KEPT", 2)
    await pool.judge(keys[2], BODY, OPTIONS, fetch)
    assert await run(pool, known) == 1
    assert await pool.judge_all(keys[:2], BODY, OPTIONS, None, fetch) == first
    assert len(fetched) == 5

    with pytest.raises(WorkerLost):
        await run(pool, die)
    assert await pool.judge_all(keys[:2], BODY, OPTIONS, None, fetch) == first


async def test_a_refused_record_leaves_the_worker_as_it_was(pool):
    before = await run(pool, process_id)
    with pytest.raises(UnknownPatient):
        await pool.judge_inline(
            reading.dumps({"trial": PAGE, "bundle": BUNDLE}), Options(date(2026, 11, 22), patient="nobody")
        )

    assert await run(pool, process_id) == before


async def test_options_are_read_from_words():
    assert read_max_age("P12W").iso() == "P12W"
    assert read_max_age("90") == read_max_age("P90D")
    assert read_complete(["Condition, Procedure", "Observation"]) == {"Condition", "Procedure", "Observation"}
    for wrong in ("P1Y2M", "", "P-3D", "PT5H", "1.5"):
        with pytest.raises(BadParameter):
            read_max_age(wrong)
    others = "DiagnosticReport,Encounter,FamilyMemberHistory,Device,Specimen,ImagingStudy,CarePlan,Goal,Coverage"
    assert len(read_complete([others, "QuestionnaireResponse"])) == 10
    for misspelt in ("Sock", "condition", "Encounters", "Observations", "Diagnosticreport"):
        with pytest.raises(BadParameter, match=f"'{misspelt}'"):
            read_complete(["Condition", misspelt])


async def test_a_line_that_is_full_turns_the_next_one_away(pool, monkeypatch):
    monkeypatch.setattr(pool._workers[0], "_limits", JobLimits(line=2))
    running = [asyncio.create_task(run(pool, doze, 0.2)) for _ in range(3)]  # one at work, and two in line
    await asyncio.sleep(0.05)
    with pytest.raises(TooBusy):
        await run(pool, doze, 0)

    assert await asyncio.gather(*running) == ["awake"] * 3
    assert await run(pool, doze, 0) == "awake"
    assert pool._workers[0].waiting == 0


async def test_who_waits_too_long_is_turned_away_and_the_work_goes_on(pool, monkeypatch):
    monkeypatch.setattr(pool._workers[0], "_limits", JobLimits(wait_s=0.1))
    running = asyncio.create_task(run(pool, doze, 0.5))
    await asyncio.sleep(0.05)
    with pytest.raises(TooBusy):
        await run(pool, doze, 0)

    assert await running == "awake"
    assert await run(pool, doze, 0) == "awake"


async def test_a_worker_that_is_told_to_go_answers_first():
    pool = Workers(1)
    await pool.start()
    asked = asyncio.create_task(run(pool, doze, 0.5))
    await asyncio.sleep(0.2)
    process = pool._workers[0]._process
    assert process is not None
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)

    assert await asked == "awake"
    await asyncio.to_thread(process.join, 5)
    assert process.exitcode == 0
    assert await run(pool, doze, 0) == "awake"  # by another one
    idle = pool._workers[0]._process
    assert idle is not None
    assert idle.pid is not None
    os.kill(idle.pid, signal.SIGTERM)
    await asyncio.to_thread(idle.join, 5)
    assert idle.exitcode == 0
    pool.close()
