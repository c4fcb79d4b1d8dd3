"""Reading and judging within this process, for the command line: what the workers do for the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from app.knowledge.load import load_catalogue
from app.services import core, jobs, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.emitters.canonical import Canonical
    from app.knowledge.local import SiteCodes
    from app.services.core import TrialKey
    from app.services.curation import Carried
    from app.services.evaluation import Fetch
    from app.services.options import Options
    from app.services.reading import ReadTrial
    from app.services.site import Site

P = ParamSpec("P")
T = TypeVar("T")


class Local:
    """A reader and judge that blocks. CatalogueError where the catalogue cannot be read."""

    def __init__(self, canonical: Canonical | None = None, site: Site | None = None) -> None:
        self._desk = core.Desk(load_catalogue(), canonical, site)

    async def read_trial(self, media_type: str, body: str, number: str | None = None) -> ReadTrial:
        """Read a registration. UnusableTrial, NotJson where it is none."""
        return jobs.read_trial(self._desk, media_type, body, number)

    async def read_text(self, text: str) -> bytes:
        """Read criteria without storing them."""
        return jobs.read_text(self._desk, text)

    async def read(self, media_type: str, body: str) -> bytes:
        """Read a registration in any form without storing it. UnusableTrial, NotJson where it is none."""
        return reading.read_any(media_type, body, self._desk.catalogue)

    async def correct(self, document: str, body: str) -> str | None:
        """A document with a person's corrections. CodecProblems, NotJson."""
        return jobs.correct(self._desk, document, body)

    async def carry(self, reviewed: str, version: int, read: str) -> Carried:
        """A document read anew, with a person's readings kept."""
        return jobs.carry(self._desk, reviewed, version, read)

    async def diff(self, before: str, after: str, versions: tuple[int, int]) -> bytes:
        """What changed from one document to another."""
        return jobs.diff(self._desk, before, after, versions)

    async def judge(self, trial: TrialKey, bundle: bytes, options: Options, fetch: Fetch) -> bytes:
        """A report on one trial."""
        await self._learn((trial,), fetch)
        return jobs.judge(self._desk, trial, bundle, options)

    async def judge_all(
        self, trials: Sequence[TrialKey], bundle: bytes, options: Options, limit: int | None, fetch: Fetch
    ) -> bytes:
        """Summaries of all these trials, best candidates first."""
        await self._learn(trials, fetch)
        return jobs.judge_all(self._desk, trials, bundle, options, limit)

    async def judge_inline(self, body: bytes, options: Options) -> bytes:
        """Judge a record by a trial that came along with it."""
        return jobs.judge_inline(self._desk, body, options)

    def localise(self, codes: SiteCodes) -> None:
        """Judge with a site's own codes from now on."""
        self._desk.localise(codes)

    async def work(self, job: Callable[Concatenate[core.Desk, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do any job that needs no trials."""
        return job(self._desk, *args, **kwargs)

    async def work_on(
        self,
        trials: Sequence[TrialKey],
        fetch: Fetch,
        job: Callable[Concatenate[core.Desk, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do any job on trials."""
        await self._learn(trials, fetch)
        return job(self._desk, *args, **kwargs)

    async def _learn(self, trials: Sequence[TrialKey], fetch: Fetch) -> None:
        new = [each for each in trials if each not in self._desk.trials]
        documents = await fetch([each.digest for each in new])
        jobs.learn(self._desk, {each: documents[each.digest] for each in new})
