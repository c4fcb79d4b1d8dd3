"""Evaluation: a record against one trial, against all of them, or against one that came along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from app.services.core import TrialKey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from app.services.options import Options
    from app.services.shelf import Shelf

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


class Evaluation:
    """What can be asked of a record. No transaction is open while it is judged, and where the database is lost, trials
    that were judged before still are.
    """

    def __init__(self, shelf: Shelf, judges: Judges) -> None:
        self._shelf = shelf
        self._judges = judges

    async def judge(self, trial_id: str, version: int | None, bundle: bytes, options: Options) -> bytes:
        """A report on one trial. TrialNotFound, or what the record is refused for."""
        key = await self._shelf.key(trial_id, version)
        return await self._judges.judge(key, bundle, options, self._shelf.documents)

    async def judge_all(self, bundle: bytes, options: Options, *, status: str, limit: int | None) -> bytes:
        """A summary of every trial, or of those with this recruitment status."""
        trials = await self._shelf.every()
        keys = [TrialKey(each.digest, each.version) for each in trials if not status or each.status == status.lower()]
        return await self._judges.judge_all(keys, bundle, options, limit, self._shelf.documents)

    async def judge_inline(self, body: bytes, options: Options) -> bytes:
        """A report on a trial that came along. UnusableTrial, CodecProblems, or what the record is refused for."""
        return await self._judges.judge_inline(body, options)
