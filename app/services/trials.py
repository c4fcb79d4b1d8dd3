"""Trials: registering, finding, listing, taking away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import orjson

from app.errors import EligoError
from app.services.reading import TRIAL_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from app.criteria.review import Review
    from app.services.reading import ReadTrial

PAGE_SIZE = 50


class Summary(Protocol):
    """What lists show of a trial."""

    @property
    def id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def phase(self) -> str: ...
    @property
    def conditions(self) -> tuple[str, ...]: ...


class Version(Protocol):
    """One stored version; `document` and `record` are JSON text, "" where an old version has no record."""

    @property
    def summary(self) -> Summary: ...
    @property
    def document(self) -> str: ...
    @property
    def media_type(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def source_digest(self) -> str: ...
    @property
    def record(self) -> str: ...
    @property
    def review(self) -> Review | None: ...


class Store(Protocol):
    """Where trials are kept, within one transaction."""

    async def add(
        self,
        trial_id: str,
        *,
        digest: str,
        title: str,
        status: str,
        phase: str,
        conditions: Sequence[str],
        media_type: str,
        source: str,
        document: str,
        record: str = "",
        source_digest: str = "",
        review: Review | None = None,
        after: int | None = None,
    ) -> tuple[int, bool]:
        """The version's number, and whether anything changed. VersionMoved where `after` is not the newest."""

    async def find(self, trial_id: str, version: int | None = None) -> Version | None:
        """A version by its number; without one, the newest of a trial that was not taken away."""

    async def newest(self, trial_id: str) -> Version | None:
        """The newest version, also of a trial that was taken away."""

    async def show(self, trial_id: str) -> bool:
        """Put a trial that was taken away back as it was; whether it was away."""

    async def page(
        self, *, q: str, condition: str, status: str, offset: int, limit: int
    ) -> tuple[Sequence[Summary], int]:
        """A part of the list, and the length of all of it."""

    async def every(self) -> Sequence[Summary]:
        """The whole list."""

    async def documents(self, digests: Iterable[str]) -> Mapping[str, str]:
        """Documents by digest."""

    async def hide(self, trial_id: str) -> bool:
        """Whether there was one to take away."""

    async def revision(self) -> int:
        """A number that is another one after every change."""


class OpenStore(Protocol):
    """Begins a transaction: committed on the way out, undone where an error passes."""

    def __call__(self) -> AbstractAsyncContextManager[Store]: ...


class Reader(Protocol):
    """Who reads registrations, off the event loop."""

    async def read_trial(self, media_type: str, body: str, number: str | None = None) -> ReadTrial:
        """Read a registration."""

    async def read_text(self, text: str) -> bytes:
        """Read criteria only."""


class TrialNotFound(EligoError):
    """No such trial, or no such version of it (`version` is None where none was asked for)."""

    def __init__(self, trial_id: str, version: int | None = None) -> None:
        which = "" if version is None else f", version {version}"
        super().__init__(f"No trial is stored under {trial_id!r}{which}. GET /v1/trials lists them.")
        self.trial_id = trial_id
        self.version = version


class NoRecord(EligoError):
    """A version from before registration records were kept."""

    def __init__(self, trial_id: str, version: int) -> None:
        super().__init__(
            f"Version {version} of {trial_id} was stored before registration records were kept. Import the trial again."
        )
        self.trial_id = trial_id
        self.version = version


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list. `number` counts from 1."""

    trials: Sequence[Summary]
    number: int
    total: int

    @property
    def has_next(self) -> bool:
        """Whether another page follows."""
        return self.number * PAGE_SIZE < self.total


@dataclass(frozen=True, slots=True)
class Registered:
    """A trial that was sent: the contract's `Trial` as JSON, and whether this made something new."""

    id: str
    trial: bytes
    is_new: bool


class Trials:
    """What can be done with trials. Each call is one transaction, and none is open while a text is read."""

    def __init__(self, open_store: OpenStore, reader: Reader) -> None:
        self._open_store = open_store
        self._reader = reader

    async def register(self, media_type: str, body: str, number: str | None = None) -> Registered:
        """Read a registration and store it. UnusableTrial, NotJson where it cannot be read; nothing is stored then.

        `number` is the registry number to know it by where the text itself has none (the name of a file).
        """
        read = await self._reader.read_trial(media_type, body, number)
        async with self._open_store() as store:
            version, is_new = await store.add(
                read.id,
                digest=read.digest,
                title=read.title,
                status=read.status,
                phase=read.phase,
                conditions=read.conditions,
                media_type=read.media_type,
                source=read.source,
                document=read.document,
                record=read.record,
                source_digest=read.source_digest,
            )
        return Registered(read.id, trial_json(version, read.document), is_new)

    async def read(self, text: str) -> bytes:
        """`{"criteria": [...]}` as JSON. Nothing is stored."""
        return await self._reader.read_text(text)

    async def get(self, trial_id: str, version: int | None = None) -> bytes:
        """The contract's `Trial` as JSON. TrialNotFound."""
        async with self._open_store() as store:
            found = await find_version(store, trial_id, version)
        return trial_json(found.summary.version, found.document)

    async def registration(self, trial_id: str, version: int | None = None) -> bytes:
        """What the register says of the trial besides its criteria, as JSON. TrialNotFound, NoRecord."""
        async with self._open_store() as store:
            found = await find_version(store, trial_id, version)
        if not found.record:
            raise NoRecord(trial_id, found.summary.version)
        return found.record.encode()

    async def list(self, *, q: str, condition: str, status: str, page: int) -> Page:
        """Trials whose id, title or conditions have `q` in them, and so on, by id."""
        async with self._open_store() as store:
            trials, total = await store.page(
                q=q, condition=condition, status=status.lower(), offset=(page - 1) * PAGE_SIZE, limit=PAGE_SIZE
            )
        return Page(trials, page, total)

    async def remove(self, trial_id: str) -> None:
        """Take a trial away; its versions stay readable by number. TrialNotFound."""
        async with self._open_store() as store:
            if not TRIAL_ID.fullmatch(trial_id) or not await store.hide(trial_id):
                raise TrialNotFound(trial_id)


async def find_version(store: Store, trial_id: str, version: int | None) -> Version:
    """A stored version. TrialNotFound where there is none."""
    found = await store.find(trial_id, version) if TRIAL_ID.fullmatch(trial_id) else None
    if found is None:
        raise TrialNotFound(trial_id, version)
    return found


def trial_json(version: int, document: str) -> bytes:
    """The contract's `Trial`: the stored document with its version, as JSON."""
    trial = orjson.loads(document)
    return orjson.dumps({"id": trial.pop("id"), "version": version, **trial})
