"""What lies beneath the SNOMED CT codes that stored trials name, asked of a terminology server and kept by version.

Asked when a trial was stored, in the background: storing never waits for the server, and judging never asks it. What it
fails to answer is asked again later; until then the catalogue's own lists hold.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

from app.emitters.fhir import FhirVersion, Target
from app.emitters.requirements import concepts_of
from app.emitters.value_sets import principal_code
from app.errors import EligoError
from app.knowledge.catalogue import System
from app.services.core import criteria_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from app.services.core import Desk
    from app.services.trials import OpenStore

P = ParamSpec("P")
T = TypeVar("T")
_log = logging.getLogger("eligo.hierarchies")
_AT_ONCE = 20


class Hierarchy(NamedTuple):
    """The descendants of a code, without those of codes that the catalogue takes out of its concept."""

    code: str
    ecl: str


class Server(Protocol):
    """A terminology server."""

    async def current_version(self) -> str:
        """The version of SNOMED CT that it expands."""

    async def expand(self, ecl: str, version: str) -> tuple[str, ...]:
        """The codes that an expression means."""


class Expansions(Protocol):
    """Where expansions are kept, within one transaction."""

    async def known(self, version: str) -> frozenset[str]:
        """The expressions that are kept in a version."""

    async def add(self, ecl: str, version: str, code: str, codes: Sequence[str]) -> None:
        """Keep one."""


class Bench(Protocol):
    """Who does jobs off the event loop."""

    async def work(self, job: Callable[Concatenate[Desk, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do a job."""


class OpenExpansions(Protocol):
    """Begins a transaction."""

    def __call__(self) -> AbstractAsyncContextManager[Expansions]: ...


def hierarchies_of(desk: Desk, documents: Sequence[str]) -> tuple[Hierarchy, ...]:
    """The hierarchies that the criteria of stored trials name, each once."""
    target = Target(FhirVersion.R4, desk.canonical, desk.catalogue)
    found: dict[Hierarchy, None] = {}
    for document in documents:
        for node in criteria_of(document):
            for each in concepts_of(node, target):
                concept = desk.catalogue.concepts[each]
                head = principal_code(concept)
                if head is None or head.system is not System.SNOMED:
                    continue
                out = sorted({one.code for one in concept.without if one.system is System.SNOMED})
                ecl = f"<<{head.code}" + (f" MINUS ({' OR '.join(f'<<{one}' for one in out)})" if out else "")
                found[Hierarchy(head.code, ecl)] = None
    return tuple(found)


class Hierarchies:
    """Keeps expansions in step with the trials that are stored. `refresh` does what is left to do, and never raises for
    what the server does.
    """

    def __init__(self, open_store: OpenStore, open_expansions: OpenExpansions, bench: Bench, server: Server) -> None:
        self._open_store = open_store
        self._open_expansions = open_expansions
        self._bench = bench
        self._server = server
        self._revision: int | None = None
        self._seen: set[str] = set()
        self._wanted: dict[Hierarchy, None] = {}

    async def refresh(self) -> int:
        """Look at trials that are new, and ask for what is not kept; how many expansions came in."""
        await self._look()
        if not self._wanted:
            return 0
        try:
            version = await self._server.current_version()
            async with self._open_expansions() as kept:
                known = await kept.known(version)
            self._wanted = {each: None for each in self._wanted if each.ecl not in known}
            came = 0
            for each in list(self._wanted):
                codes = await self._server.expand(each.ecl, version)
                async with self._open_expansions() as kept:
                    await kept.add(each.ecl, version, each.code, codes)
                del self._wanted[each]
                came += 1
        except EligoError as error:
            _log.warning("%s %d hierarchies are still to be asked for.", error, len(self._wanted))
            return 0
        return came

    @property
    def is_behind(self) -> bool:
        """Whether something is still to be asked for."""
        return bool(self._wanted)

    async def _look(self) -> None:
        async with self._open_store() as store:
            revision = await store.revision()
            if revision == self._revision:
                return
            new = [each.digest for each in await store.every() if each.digest not in self._seen]
        for start in range(0, len(new), _AT_ONCE):
            some = new[start : start + _AT_ONCE]
            async with self._open_store() as store:
                documents: Mapping[str, str] = await store.documents(some)
            self._wanted |= dict.fromkeys(await self._bench.work(hierarchies_of, list(documents.values())))
            self._seen.update(some)
        self._revision = revision
