"""Trials in the database: the next version, what is stored under a name, and the lists."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

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
    """One stored version. `document` is the trial as JSON text."""

    summary: Summary
    document: str


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
    ) -> tuple[int, bool]:
        """Store content as the trial's next version; the number, and whether anything changed.

        Content that the newest version already has is not stored again. A hidden trial is shown again.
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
                )
            )
        await self._connection.execute(update(TrialRow).where(TrialRow.id == trial_id).values(version=number, **shown))
        await self._count_change()
        return number, True

    async def find(self, trial_id: str, version: int | None = None) -> Version | None:
        """A version by its number, hidden or not; without one, the newest version of a trial that is not hidden."""
        query = select(*_SUMMARY, VersionRow.document).where(VersionRow.trial_id == trial_id)
        if version is None:
            query = query.join(TrialRow, _is_newest()).where(TrialRow.hidden_at.is_(None))
        else:
            query = query.where(VersionRow.number == version)
        row = (await self._connection.execute(query)).one_or_none()
        return Version(_summary(tuple(row[:-1])), row[-1]) if row else None

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

    async def _summaries(self, query: Select[str, int, str, str, str, str, str]) -> list[Summary]:
        return [_summary(tuple(row)) for row in await self._connection.execute(query)]


def _newest() -> Select[str, int, str, str, str, str, str]:
    return select(*_SUMMARY).join(TrialRow, _is_newest()).order_by(TrialRow.id)


def _is_newest() -> ColumnElement[bool]:
    return (TrialRow.id == VersionRow.trial_id) & (TrialRow.version == VersionRow.number)


def _summary(row: Sequence[str | int]) -> Summary:
    trial_id, number, digest, title, status, phase, conditions = row
    return Summary(
        str(trial_id), int(number), str(digest), str(title), str(status), str(phase), tuple(json.loads(str(conditions)))
    )
