"""Trials: registering, finding, listing, taking away."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Protocol

import orjson

from app.criteria.review import Review
from app.errors import EligoError, VersionMoved
from app.services.curation import is_corrected
from app.services.reading import TRIAL_ID, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from app.services.curation import Carried
    from app.services.reading import ReadTrial

PAGE_SIZE = 50
_TRIES = 5
"""How often a change is made anew because somebody else's came in between."""


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


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

    async def summary(self, trial_id: str, version: int | None = None) -> Summary | None:
        """As `find`, without the texts."""

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

    async def records_with(self, words: Sequence[str]) -> Sequence[tuple[str, str, str]]:
        """(digest, trial id, record) of the newest of each trial in whose record one of the words stands."""

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

    async def correct(self, document: str, body: str) -> str | None:
        """The document with a person's corrections; None where it has them."""

    async def carry(self, reviewed: str, version: int, read: str) -> Carried:
        """A document read anew, with what a person had corrected in `version`."""

    async def diff(self, before: str, after: str, versions: tuple[int, int]) -> bytes:
        """What changed from one document to another, as JSON."""


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


class PreconditionFailed(EligoError):
    """The trial is not at the version that the caller has seen; `newest` is the one it is at."""

    def __init__(self, trial_id: str, newest: int) -> None:
        super().__init__(
            f'{trial_id} is at version {newest} (ETag "{newest}") and not at the one that If-Match names. '
            "Get it, look what has changed (`?diff=`), and send the change again."
        )
        self.trial_id = trial_id
        self.newest = newest


@dataclass(frozen=True, slots=True)
class Registered:
    """A trial that was sent: the contract's `Trial` as JSON, and whether this made something new."""

    id: str
    version: int
    trial: bytes
    is_new: bool


@dataclass(frozen=True, slots=True)
class Got:
    """A stored trial: the contract's `Trial` as JSON."""

    version: int
    trial: bytes


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is to be stored, and whose reading it is."""

    read: ReadTrial
    review: Review | None


class Trials:
    """What can be done with trials. No transaction is open while a text is read.

    A change is made from the newest version and stored only if that is still the newest; `now` is the clock.
    """

    def __init__(self, open_store: OpenStore, reader: Reader, now: Callable[[], datetime] = _utc_now) -> None:
        self._open_store = open_store
        self._reader = reader
        self._now = now

    async def register(self, media_type: str, body: str, number: str | None = None) -> Registered:
        """Read a registration and store it. UnusableTrial, NotJson where it cannot be read; nothing is stored then.

        `number` is the registry number to know it by where the text itself has none (the name of a file). What a person
        has corrected stays: the same content again is the version that was corrected, and of amended content every
        criterion whose words are the same keeps its correction.
        """
        read = await self._reader.read_trial(media_type, body, number)
        for attempt in count(1):
            async with self._open_store() as store:
                newest = await store.newest(read.id)
            if newest is not None and newest.review is not None and newest.source_digest == read.source_digest:
                # On its own: SQLite refuses a transaction that has read before it writes, if others wrote between.
                async with self._open_store() as store:
                    was_hidden = await store.show(read.id)
                version = newest.summary.version
                return Registered(read.id, version, trial_json(version, newest.document, newest.review), was_hidden)
            kept = await self._kept(read, newest)
            try:
                version, is_new, review = await self._add(kept, newest)
            except VersionMoved:
                if attempt == _TRIES:
                    raise
            else:
                return Registered(read.id, version, trial_json(version, kept.read.document, review), is_new)
        raise AssertionError  # the loop ends above

    async def correct(self, trial_id: str, body: str, by: str, if_match: Container[int] | None = None) -> Registered:
        """Put a person's corrections of the reading into the next version; the same again is the same version.

        `by` is who gives them, `if_match` the versions one of which must be the newest (None: any). TrialNotFound,
        PreconditionFailed, CodecProblems (with pointers into the body), NotJson.
        """
        for attempt in count(1):
            async with self._open_store() as store:
                found = await find_version(store, trial_id, None)
            version = found.summary.version
            if if_match is not None and version not in if_match:
                raise PreconditionFailed(trial_id, version)
            document = await self._reader.correct(found.document, body)
            if document is None:
                return Registered(trial_id, version, trial_json(version, found.document, found.review), is_new=False)
            review = Review(by, self._now(), version + 1)
            try:
                async with self._open_store() as store:
                    await store.add(
                        trial_id,
                        digest=digest_of(found.media_type, found.source, document, found.record),
                        title=found.summary.title,
                        status=found.summary.status,
                        phase=found.summary.phase,
                        conditions=found.summary.conditions,
                        media_type=found.media_type,
                        source=found.source,
                        document=document,
                        record=found.record,
                        source_digest=found.source_digest or digest_of(found.media_type, found.source),
                        review=review,
                        after=version,
                    )
            except VersionMoved:
                if attempt == _TRIES:
                    raise
            else:
                return Registered(trial_id, version + 1, trial_json(version + 1, document, review), is_new=True)
        raise AssertionError  # the loop ends above

    async def diff(self, trial_id: str, before: int, after: int) -> bytes:
        """What changed from one version to another, as JSON. TrialNotFound."""
        async with self._open_store() as store:
            old, new = await find_version(store, trial_id, before), await find_version(store, trial_id, after)
        return await self._reader.diff(old.document, new.document, (before, after))

    async def _kept(self, read: ReadTrial, newest: Version | None) -> _Kept:
        """What was read, with a person's readings in it where its words have them."""
        if newest is None or not is_corrected(newest.document):
            return _Kept(read, None)
        carried = await self._reader.carry(newest.document, newest.summary.version, read.document)
        digest = digest_of(read.media_type, read.source, carried.document, read.record)
        kept = replace(read, document=carried.document, digest=digest)
        return _Kept(kept, newest.review if carried.is_same else None)

    async def _add(self, kept: _Kept, newest: Version | None) -> tuple[int, bool, Review | None]:
        """The version, whether it is new, and whose reading it is."""
        read = kept.read
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
                review=kept.review,
                after=newest.summary.version if newest is not None else 0,
            )
        is_next = newest is None or version != newest.summary.version
        return version, is_new, kept.review if is_next or newest is None else newest.review

    async def read(self, text: str) -> bytes:
        """`{"criteria": [...]}` as JSON. Nothing is stored."""
        return await self._reader.read_text(text)

    async def get(self, trial_id: str, version: int | None = None) -> Got:
        """A trial, or an older version of it. TrialNotFound."""
        async with self._open_store() as store:
            found = await find_version(store, trial_id, version)
        return Got(found.summary.version, trial_json(found.summary.version, found.document, found.review))

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


def trial_json(version: int, document: str, review: Review | None) -> bytes:
    """The contract's `Trial`: the stored document with its version and who reviewed it, as JSON."""
    trial = orjson.loads(document)
    for each in trial["criteria"]:
        each["reviewed"] = bool(each.get("reviewed"))
    told = None if review is None else {"by": review.by, "at": review.at.isoformat(), "version": review.version}
    head = {"id": trial.pop("id"), "version": version}
    head |= {key: trial.pop(key) for key in ("title", "status", "phase", "conditions")}
    return orjson.dumps({**head, "reviewed": review is not None, "review": told, **trial})
