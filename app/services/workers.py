"""Worker processes: where text is read and records are judged, so that no big one stalls the event loop.

Each worker is a process that does one job at a time. It keeps the trials it has compiled, and this side knows which, so
that a trial crosses once. Nothing of a patient stays in a worker after its job.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from app.emitters.canonical import Canonical
from app.errors import DatabaseUnavailable, EligoError
from app.knowledge.local import SiteCodes
from app.services import jobs
from app.services.jobs import Done, Refused
from app.services.site import Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from app.emitters.cards import CardMaker
    from app.emitters.prefetch import Template
    from app.services.core import Desk, TrialKey
    from app.services.curation import Carried
    from app.services.options import Options, Wish
    from app.services.reading import ReadTrial

P = ParamSpec("P")
T = TypeVar("T")
_log = logging.getLogger("eligo.workers")

MAX_KEPT = 20_000
"""Trials that a worker keeps compiled; beyond it, it forgets all of them and starts anew."""
TAUGHT_AT_ONCE = 100
"""Trials that cross at a time: what is on its way stays small."""
_GOODBYE_S = 5.0


class WorkerLost(EligoError):
    """A worker ended in the middle of a job: killed, or out of memory. Another one takes its place."""

    def __init__(self) -> None:
        super().__init__(
            "The process at work on this request ended before it was done. Try again, or send less at once."
        )


class TookTooLong(EligoError):
    """A job was stopped at the time limit; `limit_s` is the limit in seconds."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"This took longer than {limit_s:g} seconds and was stopped. Send less at once.")
        self.limit_s = limit_s


class TooBusy(EligoError):
    """All workers have as many jobs in line as may wait, or the line did not move in time."""

    def __init__(self) -> None:
        super().__init__("Too much is being read and judged at the moment. Try again in a few seconds.")


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What jobs may take. `run_s` for one at work, `wait_s` in line; `line` is how many may wait for each worker.

    `entries` is the most that a Bundle may have.
    """

    run_s: float = 120.0
    wait_s: float = 30.0
    line: int = 16
    entries: int = 50_000


class WorkFailed(Exception):
    """A bug, told without its message: a patient's record may stand in it. `where` are the lines of code it passed."""

    def __init__(self, kind: str, where: str) -> None:
        super().__init__(f"{kind} at {where}")


class Watch(Protocol):
    """Who is told how the work goes."""

    def waiting(self, count: int) -> None:
        """So many jobs are with processes or in line."""

    def job(self, name: str, waited_s: float, took_s: float) -> None:
        """A process has done a job."""

    def restarted(self, reason: str) -> None:
        """A process is replaced: `lost`, or stopped at the `time-limit`."""

    def judged(self, tally: Mapping[tuple[str, ...], int]) -> None:
        """What the reports of a job came to."""


class Workers:
    """As many processes as `count`. `start` before the first job, `close` after the last."""

    def __init__(
        self,
        count: int,
        limits: JobLimits | None = None,
        canonical: Canonical | None = None,
        *,
        site: Site | None = None,
        watch: Watch | None = None,
    ) -> None:
        limits = limits or JobLimits()
        start = (canonical or Canonical(), site or Site(), limits.entries)
        self._workers = [_Worker(limits, start, watch) for _ in range(count)]
        if watch is not None:
            for each in self._workers:
                each.on_waiting = lambda: watch.waiting(sum(one.waiting for one in self._workers))
        self.is_ready = False

    async def start(self) -> None:
        """Start the processes, and let each read the catalogue; where it cannot be read, `is_ready` stays false."""
        try:
            await asyncio.gather(*(worker.run(jobs.warm) for worker in self._workers))
        except (EligoError, WorkFailed) as error:
            _log.error("the workers cannot start: %s", error)
        else:
            self.is_ready = True

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.close()

    async def read_trial(self, media_type: str, body: str, number: str | None = None) -> ReadTrial:
        """Read a registration. UnusableTrial, NotJson where it is none."""
        return await self._idlest().run(jobs.read_trial, media_type, body, number)

    async def read_text(self, text: str) -> bytes:
        """Read criteria without storing them."""
        return await self._idlest().run(jobs.read_text, text)

    async def correct(self, document: str, body: str) -> str | None:
        """A document with a person's corrections. CodecProblems, NotJson."""
        return await self._idlest().run(jobs.correct, document, body)

    async def carry(self, reviewed: str, version: int, read: str) -> Carried:
        """A document read anew, with a person's readings kept."""
        return await self._idlest().run(jobs.carry, reviewed, version, read)

    async def diff(self, before: str, after: str, versions: tuple[int, int]) -> bytes:
        """What changed from one document to another."""
        return await self._idlest().run(jobs.diff, before, after, versions)

    async def judge_inline(self, body: bytes, options: Options) -> bytes:
        """Judge a record by a trial that came along with it."""
        return await self._idlest().run(jobs.judge_inline, body, options)

    async def judge(self, trial: TrialKey, bundle: bytes, options: Options, fetch: Fetch) -> bytes:
        """A report on one trial; `fetch` brings documents, by digest, that the worker has not seen yet."""
        return await self.work_on((trial,), fetch, jobs.judge, trial, bundle, options)

    async def judge_all(
        self, trials: Sequence[TrialKey], bundle: bytes, options: Options, limit: int | None, fetch: Fetch
    ) -> bytes:
        """Summaries of all these trials, best candidates first."""
        return await self.work_on(trials, fetch, jobs.judge_all, trials, bundle, options, limit)

    def localise(self, codes: SiteCodes) -> None:
        """Judge with a site's own codes: each worker is told before its next job."""
        for worker in self._workers:
            worker.codes = codes

    async def work(self, job: Callable[Concatenate[Desk, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do any job that needs no trials."""
        return await self._idlest().run(job, *args, **kwargs)

    async def work_on(
        self,
        trials: Sequence[TrialKey],
        fetch: Fetch,
        job: Callable[Concatenate[Desk, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do any job on trials, which the worker is taught first where it has not seen them.

        Where they cannot be fetched, one that has seen all of them does it: a lost database stops no judging.
        """
        first = self._idlest()
        try:
            return await first.run_on(trials, fetch, job, *args, **kwargs)
        except DatabaseUnavailable:
            others = [each for each in self._workers if each is not first and each.knows(trials)]
            if not others:
                raise
        return await min(others, key=lambda each: each.waiting).run_on(trials, fetch, job, *args, **kwargs)

    async def make_cards(
        self,
        trials: Sequence[TrialKey],
        bundle: bytes,
        options: Options,
        wish: Wish,
        maker: CardMaker,
        fetch: Fetch,
        *,
        named: str = "",
    ) -> bytes:
        """The cards of the promising trials."""
        return await self.work_on(
            trials, fetch, jobs.make_cards, trials, bundle, options, wish, maker=maker, named=named
        )

    async def prefetch(self, trials: Sequence[TrialKey], fetch: Fetch) -> tuple[Template, ...]:
        """What should be sent along, so that these trials can be judged."""
        return await self.work_on(trials, fetch, jobs.prefetch, trials)

    def _idlest(self) -> _Worker:
        return min(self._workers, key=lambda worker: worker.waiting)


class _Worker:
    """One process, and what it knows. Its turn is a lock: jobs stand in line here, not in a pipe."""

    def __init__(self, limits: JobLimits, start: tuple[Canonical, Site, int], watch: Watch | None) -> None:
        self.waiting = 0
        self.on_waiting: Callable[[], None] = lambda: None
        self._watch = watch
        self.codes: SiteCodes = SiteCodes()
        self._told: SiteCodes = SiteCodes()
        self._limits = limits
        self._start = start
        self._turn = asyncio.Lock()
        self._known: set[TrialKey] = set()
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._thread = ThreadPoolExecutor(1, "eligo-worker")

    async def run(self, job: Callable[Concatenate[Desk, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do one job. Raises what it refuses; TooBusy, WorkerLost, TookTooLong, WorkFailed."""
        async with self._in_line(job):
            await self._localise()
            return await self._do(job, *args, **kwargs)

    async def run_on(
        self,
        trials: Sequence[TrialKey],
        fetch: Fetch,
        job: Callable[Concatenate[Desk, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do one job that needs these trials, in one turn with teaching them."""
        async with self._in_line(job):
            await self._localise()
            await self._teach(trials, fetch)
            return await self._do(job, *args, **kwargs)

    @asynccontextmanager
    async def _in_line(self, job: Callable[..., object]) -> AsyncIterator[None]:
        """Wait for the turn, and have it until the job is done.

        TooBusy where the line is too long, or too slow: who waits that long may be gone.
        """
        if self.waiting > self._limits.line:
            raise TooBusy
        came = time.perf_counter()
        self.waiting += 1
        self.on_waiting()
        try:
            try:
                await asyncio.wait_for(self._turn.acquire(), self._limits.wait_s)
            except TimeoutError:
                raise TooBusy from None
            began = time.perf_counter()
            try:
                yield
            finally:
                self._turn.release()
                if self._watch is not None:
                    self._watch.job(job.__name__, began - came, time.perf_counter() - began)
        finally:
            self.waiting -= 1
            self.on_waiting()

    def knows(self, trials: Sequence[TrialKey]) -> bool:
        """Whether the process has seen all of these."""
        return self._process is not None and self._process.is_alive() and self._known.issuperset(trials)

    def close(self) -> None:
        """End the process: it leaves when its pipe closes."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.join(_GOODBYE_S)
            self._process.kill()
            self._process.join()
        self._thread.shutdown()

    async def _localise(self) -> None:
        """Tell the process the site's codes where it does not know them, or was started anew."""
        if self._process is None or not self._process.is_alive():
            self._told = SiteCodes()
        codes = self.codes
        if codes != self._told:
            self._known.clear()  # what was made ready with other codes is made ready anew
            await self._do(jobs.localise, codes)
            self._told = codes

    async def _teach(self, trials: Sequence[TrialKey], fetch: Fetch) -> None:
        if self._process is None or not self._process.is_alive():
            self._known.clear()
        if len(self._known.union(trials)) > max(MAX_KEPT, len(trials)):
            self._known.clear()
            await self._do(jobs.forget)
        new = [each for each in trials if each not in self._known]
        for start in range(0, len(new), TAUGHT_AT_ONCE):
            some = new[start : start + TAUGHT_AT_ONCE]
            documents = await fetch([each.digest for each in some])
            await self._do(jobs.learn, {each: documents[each.digest] for each in some})
            self._known.update(some)

    async def _do(self, job: Callable[Concatenate[Desk, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        exchange = loop.run_in_executor(self._thread, self._exchange, job, args, kwargs)
        try:
            # Shielded: who goes away leaves the job running, and the next one in line waits for it in the thread.
            answer = await asyncio.wait_for(asyncio.shield(exchange), self._limits.run_s)
        except TimeoutError:
            self._replace("time-limit")
            await asyncio.wait([exchange])
            exchange.exception()
            raise TookTooLong(self._limits.run_s) from None
        match answer:
            case Done(value, tally):
                if tally and self._watch is not None:
                    self._watch.judged(tally)
                return cast("T", value)
            case Refused():
                raise answer.error()
            case _:
                _log.error("a job failed: %s at %s", answer.kind, answer.where)
                raise WorkFailed(answer.kind, answer.where)

    def _exchange(self, job: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> jobs.Answer:
        pipe = self._connected()
        try:
            pipe.send((job, args, kwargs))
            return cast("jobs.Answer", pipe.recv())
        except (EOFError, OSError):
            _log.warning("a worker process was lost and will be replaced")
            if self._process is not None:  # else it was stopped at its time limit, which is told already
                self._replace("lost")
            raise WorkerLost from None

    def _connected(self) -> Connection:
        if self._pipe is None or self._process is None or not self._process.is_alive():
            self._known.clear()
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(
                target=jobs.work, args=(theirs, *self._start), name="eligo-worker", daemon=True
            )
            self._process.start()
            theirs.close()
        return self._pipe

    def _replace(self, reason: str) -> None:
        self._kill()
        if self._watch is not None:
            self._watch.restarted(reason)

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._pipe is not None:
            with suppress(OSError):  # what is closed already is no reason to leave the place empty
                self._pipe.close()
        self._process = self._pipe = None
        self._known.clear()


if TYPE_CHECKING:
    Fetch = Callable[[Sequence[str]], Awaitable[Mapping[str, str]]]
