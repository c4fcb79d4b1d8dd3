"""Evaluation: a record against one trial, against all of them, or against one that came along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from app.services.core import TrialKey
from app.services.trials import find_version

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from app.services.options import Options
    from app.services.trials import OpenStore, Store, Summary

    Fetch = Callable[[Sequence[str]], Awaitable[Mapping[str, str]]]


class Judges(Protocol):
    """Who judges, off the event loop. `fetch` brings documents by their digest."""

    async def judge(self, trial: TrialKey, bundle: bytes, options: Options, fetch: Fetch) -> bytes:
        """An EligibilityReport as JSON."""

    async def judge_all(
        self, trials: Sequence[TrialKey], bundle: bytes, options: Options, limit: int | None, fetch: Fetch
    ) -> bytes:
        """Summaries as JSON, best candidates first."""

    async def judge_inline(self, body: bytes, options: Options) -> bytes:
        """An EligibilityReport on a trial within the body."""


class Roster:
    """All trials as this process last saw them, so that a list of thousands is not read anew for every patient."""

    def __init__(self) -> None:
        self._revision: int | None = None
        self._trials: Sequence[Summary] = ()

    async def of(self, store: Store) -> Sequence[Summary]:
        """All trials of the store. Read again where anything has changed since."""
        revision = await store.revision()
        if revision != self._revision:
            self._trials, self._revision = await store.every(), revision
        return self._trials


class Evaluation:
    """What can be asked of a record. No transaction is open while it is judged."""

    def __init__(self, open_store: OpenStore, judges: Judges) -> None:
        self._open_store = open_store
        self._judges = judges
        self._roster = Roster()

    async def judge(self, trial_id: str, version: int | None, bundle: bytes, options: Options) -> bytes:
        """A report on one trial. TrialNotFound, or what the record is refused for."""
        async with self._open_store() as store:
            found = await find_version(store, trial_id, version)
        summary = found.summary

        async def fetch(_: Sequence[str]) -> dict[str, str]:
            return {summary.digest: found.document}

        return await self._judges.judge(TrialKey(summary.digest, summary.version), bundle, options, fetch)

    async def judge_all(self, bundle: bytes, options: Options, *, status: str, limit: int | None) -> bytes:
        """A summary of every trial, or of those with this recruitment status."""
        async with self._open_store() as store:
            trials = await self._roster.of(store)
        keys = [TrialKey(each.digest, each.version) for each in trials if not status or each.status == status.lower()]
        return await self._judges.judge_all(keys, bundle, options, limit, self._documents)

    async def judge_inline(self, body: bytes, options: Options) -> bytes:
        """A report on a trial that came along. UnusableTrial, CodecProblems, or what the record is refused for."""
        return await self._judges.judge_inline(body, options)

    async def _documents(self, digests: Sequence[str]) -> Mapping[str, str]:
        async with self._open_store() as store:
            return await store.documents(digests)
