"""What a process remembers of stored trials: not read anew for every patient, and not lost with the database.

The database is always asked what is newest. Where it cannot be used, what was newest when it last answered is judged
by: versions never change, and nothing can be stored meanwhile by way of this process.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from app.errors import DatabaseUnavailable
from app.services.core import TrialKey
from app.services.reading import TRIAL_ID
from app.services.trials import TrialNotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.services.trials import OpenStore, Summary

_MOST_KNOWN = 20_000
DEFAULT_BYTES = 64 * 1024 * 1024


class Watch(Protocol):
    """Who is told how well remembering does."""

    def documents(self, hits: int, misses: int) -> None:
        """How many documents were remembered, and how many had to be read."""

    def from_memory(self) -> None:
        """The database could not be used, and what is remembered of it was."""


class Shelf:
    """All trials as this process last saw them, and documents by digest: at most `most_bytes` characters of them."""

    def __init__(self, open_store: OpenStore, most_bytes: int = DEFAULT_BYTES, watch: Watch | None = None) -> None:
        self._open_store = open_store
        self._most_bytes = most_bytes
        self._watch = watch
        self._revision: int | None = None
        self._listed: Sequence[Summary] = ()
        self._found: OrderedDict[tuple[str, int | None], Summary | None] = OrderedDict()
        self._documents: OrderedDict[str, str] = OrderedDict()
        self._bytes = 0

    async def every(self) -> Sequence[Summary]:
        """All trials that are not hidden, by id. DatabaseUnavailable where they were never seen."""
        try:
            async with self._open_store() as store:
                revision = await store.revision()
                if revision != self._revision:
                    self._listed, self._revision = await store.every(), revision
                    newest = {each.id: each for each in self._listed}
                    for trial_id, version in self._found:
                        if version is None:
                            self._found[trial_id, None] = newest.get(trial_id)
        except DatabaseUnavailable:
            if self._revision is None:
                raise
            self._tell_memory()
        return self._listed

    async def find(self, trial_id: str, version: int | None = None) -> Summary:
        """A version, or the newest of a trial. TrialNotFound; DatabaseUnavailable where it was never seen."""
        if not TRIAL_ID.fullmatch(trial_id):
            raise TrialNotFound(trial_id, version)
        asked = (trial_id, version)
        try:
            async with self._open_store() as store:
                found = await store.summary(trial_id, version)
        except DatabaseUnavailable:
            listed = next((each for each in self._listed if each.id == trial_id), None) if version is None else None
            found = self._found.get(asked, listed)
            if found is None and asked not in self._found:
                raise
            self._tell_memory()
        else:
            self._found[asked] = found
            self._found.move_to_end(asked)
            if len(self._found) > _MOST_KNOWN:
                self._found.popitem(last=False)
        if found is None:
            raise TrialNotFound(trial_id, version)
        return found

    async def key(self, trial_id: str, version: int | None = None) -> TrialKey:
        """What names it among compiled ones. TrialNotFound, DatabaseUnavailable."""
        found = await self.find(trial_id, version)
        return TrialKey(found.digest, found.version)

    async def documents(self, digests: Sequence[str]) -> Mapping[str, str]:
        """The documents of these digests. DatabaseUnavailable where one of them has to be read."""
        kept = {each: self._documents[each] for each in digests if each in self._documents}
        for each in kept:
            self._documents.move_to_end(each)
        missing = [each for each in digests if each not in kept]
        if self._watch is not None:
            self._watch.documents(len(kept), len(missing))
        if not missing:
            return kept
        async with self._open_store() as store:
            read = await store.documents(missing)
        for digest, document in read.items():
            self._keep(digest, document)
        return {**kept, **read}

    def _keep(self, digest: str, document: str) -> None:
        if digest in self._documents or len(document) > self._most_bytes:
            return
        self._documents[digest] = document
        self._bytes += len(document)
        while self._bytes > self._most_bytes:
            _, gone = self._documents.popitem(last=False)
            self._bytes -= len(gone)

    def _tell_memory(self) -> None:
        if self._watch is not None:
            self._watch.from_memory()
