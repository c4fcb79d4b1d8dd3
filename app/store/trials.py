"""Trials in the database: the next version, what is stored under a name, and the lists."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.criteria.review import Review
from app.errors import VersionMoved
from app.store.models import RevisionRow, TrialRow, VersionRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

_SUMMARY = (
    VersionRow.trial_id,
    VersionRow.number,
    VersionRow.digest,
    VersionRow.title,
    VersionRow.status,
    VersionRow.phase,
    VersionRow.conditions,
)
_AT_ONCE = 500
"""How many values one statement may list; SQLite's own limit is far above."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What lists show of a trial."""

    id: str
    version: int
    digest: str
    title: str
    status: str
    phase: str
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """One stored version. `document` is the trial as JSON text, `record` what its register says of it, as JSON text.

    `review` is None where no person's reading is in force. `record` and `source_digest` are "" in versions from before
    they were kept.
    """

    summary: Summary
    document: str
    media_type: str
    source: str
    source_digest: str
    record: str
    review: Review | None


class SqlTrials:
    """The trials of one database, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

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
        """Store content as the trial's next version; the number, and whether anything changed.

        Content that the newest version already has is not stored again. A hidden trial is shown again. `after` is the
        version that must be the newest (0: there must be none): VersionMoved where another one is. A review whose
        version is 0 is the one that this version is made by.
        """
        shown = {
            "status": status,
            "searched": "\n".join((trial_id, title, *conditions)).casefold(),
            "conditions": "\n".join(conditions).casefold(),
            "hidden_at": None,
        }
        # Writing first takes SQLite's lock, or makes the row that PostgreSQL locks: two imports of one trial queue up.
        insert = postgresql_insert if self._connection.dialect.name == "postgresql" else sqlite_insert
        await self._connection.execute(
            insert(TrialRow)
            .values(id=trial_id, version=0, **shown)
            .on_conflict_do_nothing(index_elements=[TrialRow.id])
        )
        row = await self._connection.execute(
            select(TrialRow.version, TrialRow.hidden_at).where(TrialRow.id == trial_id).with_for_update()
        )
        newest, hidden_at = row.one()
        if after is not None and newest != after:
            raise VersionMoved(trial_id, newest)
        if await self._digest(trial_id, newest) == digest:
            if hidden_at is None:
                return newest, False
            number = newest
        else:
            number = newest + 1
            await self._connection.execute(
                insert(VersionRow).values(
                    trial_id=trial_id,
                    number=number,
                    digest=digest,
                    title=title,
                    status=status,
                    phase=phase,
                    conditions=json.dumps(list(conditions), ensure_ascii=False),
                    media_type=media_type,
                    source=source,
                    document=document,
                    created_at=datetime.now(UTC),
                    record=record or None,
                    source_digest=source_digest or None,
                    reviewed_by=review.by if review else None,
                    reviewed_at=review.at if review else None,
                    reviewed_in=(review.version or number) if review else None,
                )
            )
        await self._connection.execute(update(TrialRow).where(TrialRow.id == trial_id).values(version=number, **shown))
        await self._count_change()
        return number, True

    async def find(self, trial_id: str, version: int | None = None) -> Version | None:
        """A version by its number, hidden or not; without one, the newest version of a trial that is not hidden."""
        if version is None:
            return await self._version(
                _whole(trial_id).join(TrialRow, _is_newest()).where(TrialRow.hidden_at.is_(None))
            )
        return await self._version(_whole(trial_id).where(VersionRow.number == version))

    async def summary(self, trial_id: str, version: int | None = None) -> Summary | None:
        """What lists show of a version that `find` finds."""
        query = select(*_SUMMARY).where(VersionRow.trial_id == trial_id)
        if version is None:
            query = query.join(TrialRow, _is_newest()).where(TrialRow.hidden_at.is_(None))
        else:
            query = query.where(VersionRow.number == version)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _summary(tuple(row))

    async def newest(self, trial_id: str) -> Version | None:
        """The newest version of a trial, hidden or not."""
        return await self._version(_whole(trial_id).join(TrialRow, _is_newest()))

    async def show(self, trial_id: str) -> bool:
        """Put a hidden trial back into the lists as it was; whether it was hidden."""
        shown = await self._connection.execute(
            update(TrialRow).where(TrialRow.id == trial_id, TrialRow.hidden_at.is_not(None)).values(hidden_at=None)
        )
        if shown.rowcount:
            await self._count_change()
        return bool(shown.rowcount)

    async def page(
        self, *, q: str = "", condition: str = "", status: str = "", offset: int, limit: int
    ) -> tuple[list[Summary], int]:
        """Trials that are not hidden, by id, and how many there are in all. Words are found anywhere, in any case."""
        wanted: list[ColumnElement[bool]] = [TrialRow.hidden_at.is_(None)]
        if q:
            wanted.append(TrialRow.searched.contains(q.casefold(), autoescape=True))
        if condition:
            wanted.append(TrialRow.conditions.contains(condition.casefold(), autoescape=True))
        if status:
            wanted.append(TrialRow.status == status)
        total = await self._connection.scalar(select(func.count()).select_from(TrialRow).where(*wanted))
        return await self._summaries(_newest().where(*wanted).offset(offset).limit(limit)), total or 0

    async def every(self) -> list[Summary]:
        """All trials that are not hidden, by id."""
        return await self._summaries(_newest().where(TrialRow.hidden_at.is_(None)))

    async def documents(self, digests: Iterable[str]) -> Mapping[str, str]:
        """The documents of these digests."""
        asked = list(dict.fromkeys(digests))
        found: dict[str, str] = {}
        for start in range(0, len(asked), _AT_ONCE):
            query = select(VersionRow.digest, VersionRow.document).where(
                VersionRow.digest.in_(asked[start : start + _AT_ONCE])
            )
            found.update((digest, document) for digest, document in await self._connection.execute(query))
        return found

    async def records_with(self, words: Sequence[str]) -> Sequence[tuple[str, str, str]]:
        """(digest, trial id, record) of the newest of each trial in whose record one of the words stands, in its case
        or another; those that are hidden have none.
        """
        if not words:
            return []
        told = [json.dumps(each, ensure_ascii=False)[1:-1] for each in words]
        query = (
            select(VersionRow.digest, VersionRow.trial_id, VersionRow.record)
            .join(TrialRow, _is_newest())
            .where(
                TrialRow.hidden_at.is_(None), or_(*(VersionRow.record.contains(each, autoescape=True) for each in told))
            )
        )
        return [(digest, trial_id, record or "") for digest, trial_id, record in await self._connection.execute(query)]

    async def hide(self, trial_id: str) -> bool:
        """Take a trial out of every list; its versions stay. False where there is none to hide."""
        hidden = await self._connection.execute(
            update(TrialRow)
            .where(TrialRow.id == trial_id, TrialRow.hidden_at.is_(None))
            .values(hidden_at=datetime.now(UTC))
        )
        if not hidden.rowcount:
            return False
        await self._count_change()
        return True

    async def revision(self) -> int:
        """A number that is another one after every change."""
        return await self._connection.scalar(select(RevisionRow.number)) or 0

    async def _count_change(self) -> None:
        await self._connection.execute(update(RevisionRow).values(number=RevisionRow.number + 1))

    async def _digest(self, trial_id: str, number: int) -> str | None:
        return await self._connection.scalar(
            select(VersionRow.digest).where(VersionRow.trial_id == trial_id, VersionRow.number == number)
        )

    async def _version(self, query: Select[*tuple[Any, ...]]) -> Version | None:
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            return None
        *summary, document, media_type, source, source_digest, record, by, at, number = row
        # SQLite keeps no time zone; what is written is UTC.
        review = Review(by, at if at.tzinfo else at.replace(tzinfo=UTC), number) if by is not None else None
        return Version(
            _summary(tuple(summary)), document, media_type, source, source_digest or "", record or "", review
        )

    async def _summaries(self, query: Select[str, int, str, str, str, str, str]) -> list[Summary]:
        return [_summary(tuple(row)) for row in await self._connection.execute(query)]


def _whole(trial_id: str) -> Select[*tuple[Any, ...]]:
    return select(
        *_SUMMARY,
        VersionRow.document,
        VersionRow.media_type,
        VersionRow.source,
        VersionRow.source_digest,
        VersionRow.record,
        VersionRow.reviewed_by,
        VersionRow.reviewed_at,
        VersionRow.reviewed_in,
    ).where(VersionRow.trial_id == trial_id)


def _newest() -> Select[str, int, str, str, str, str, str]:
    return select(*_SUMMARY).join(TrialRow, _is_newest()).order_by(TrialRow.id)


def _is_newest() -> ColumnElement[bool]:
    return (TrialRow.id == VersionRow.trial_id) & (TrialRow.version == VersionRow.number)


def _summary(row: Sequence[str | int]) -> Summary:
    trial_id, number, digest, title, status, phase, conditions = row
    return Summary(
        str(trial_id), int(number), str(digest), str(title), str(status), str(phase), tuple(json.loads(str(conditions)))
    )
