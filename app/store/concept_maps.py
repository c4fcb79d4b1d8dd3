"""A site's ConceptMaps in the database: every version is kept, the newest counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from app.knowledge.local import LocalCode, Relation
from app.store.expansions import SqlExpansions
from app.store.models import ConceptMapRow, RevisionRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

_SNOMED = "http://snomed.info/sct"
_COLUMNS = (ConceptMapRow.id, ConceptMapRow.number, ConceptMapRow.fhir_version, ConceptMapRow.content)


@dataclass(frozen=True, slots=True)
class StoredMap:
    """One version of a map; `content` is the resource as JSON text, "" where it was taken away."""

    id: str
    number: int
    fhir_version: str
    content: str


class SqlConceptMaps:
    """The maps of one database, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, ident: str, fhir_version: str, content: str) -> tuple[int, bool]:
        """Store a map as the next version; its number, and whether there was none before."""
        # Counting first makes two writers queue up, and tells every process to look again.
        await self._connection.execute(update(RevisionRow).values(number=RevisionRow.number + 1))
        newest = await self.find(ident)
        if newest is not None and (newest.fhir_version, newest.content) == (fhir_version, content):
            return newest.number, False
        number = (newest.number if newest is not None else 0) + 1
        await self._connection.execute(
            insert(ConceptMapRow).values(
                id=ident, number=number, fhir_version=fhir_version, content=content, created_at=datetime.now(UTC)
            )
        )
        return number, newest is None or not newest.content

    async def find(self, ident: str, number: int | None = None) -> StoredMap | None:
        """A version by its number, else the newest, also of a map that was taken away."""
        query = select(*_COLUMNS).where(ConceptMapRow.id == ident)
        if number is None:
            query = query.order_by(ConceptMapRow.number.desc()).limit(1)
        else:
            query = query.where(ConceptMapRow.number == number)
        row = (await self._connection.execute(query)).one_or_none()
        return StoredMap(*row) if row else None

    async def every(self) -> Sequence[StoredMap]:
        """The newest version of every map that was not taken away, by id."""
        newest = (
            select(ConceptMapRow.id, func.max(ConceptMapRow.number).label("number"))
            .group_by(ConceptMapRow.id)
            .subquery()
        )
        query = (
            select(*_COLUMNS)
            .join(newest, (ConceptMapRow.id == newest.c.id) & (ConceptMapRow.number == newest.c.number))
            .where(ConceptMapRow.content != "")
            .order_by(ConceptMapRow.id)
        )
        return [StoredMap(*row) for row in await self._connection.execute(query)]

    async def lines(self) -> Sequence[LocalCode]:
        """What a terminology server has said: each code beneath another is a kind of it."""
        return [
            LocalCode(_SNOMED, code, _SNOMED, each.code, Relation.NARROWER, f"{each.version}?fhir_vs=ecl/{each.ecl}")
            for each in await SqlExpansions(self._connection).newest()
            for code in each.codes
        ]

    async def revision(self) -> int:
        """A number that is another one after every change, of maps or of trials."""
        return await self._connection.scalar(select(RevisionRow.number)) or 0
