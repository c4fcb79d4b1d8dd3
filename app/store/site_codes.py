"""A site's ConceptMaps and CodeSystem supplements in the database: every version is kept, the newest counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from app.knowledge.local import LocalCode, Relation
from app.store.expansions import SqlExpansions
from app.store.models import ConceptMapRow, RevisionRow, SupplementRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

_SNOMED = "http://snomed.info/sct"
_ROWS: dict[str, type[ConceptMapRow | SupplementRow]] = {"ConceptMap": ConceptMapRow, "CodeSystem": SupplementRow}


@dataclass(frozen=True, slots=True)
class StoredResource:
    """One version of a resource; `content` is the resource as JSON text, "" where it was taken away."""

    id: str
    number: int
    fhir_version: str
    content: str


class SqlSiteCodes:
    """The resources by which a site tells its codes, of one database, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, resource_type: str, ident: str, fhir_version: str, content: str) -> tuple[int, bool]:
        """Store a resource as the next version; its number, and whether there was none before."""
        # Counting first makes two writers queue up, and tells every process to look again.
        await self._connection.execute(update(RevisionRow).values(number=RevisionRow.number + 1))
        newest = await self.find(resource_type, ident)
        if newest is not None and (newest.fhir_version, newest.content) == (fhir_version, content):
            return newest.number, False
        number = (newest.number if newest is not None else 0) + 1
        await self._connection.execute(
            insert(_ROWS[resource_type]).values(
                id=ident, number=number, fhir_version=fhir_version, content=content, created_at=datetime.now(UTC)
            )
        )
        return number, newest is None or not newest.content

    async def find(self, resource_type: str, ident: str, number: int | None = None) -> StoredResource | None:
        """A version by its number, else the newest, also of one that was taken away."""
        rows = _ROWS[resource_type]
        query = _select(rows).where(rows.id == ident)
        query = query.order_by(rows.number.desc()).limit(1) if number is None else query.where(rows.number == number)
        row = (await self._connection.execute(query)).one_or_none()
        return StoredResource(*row) if row else None

    async def every(self, resource_type: str) -> Sequence[StoredResource]:
        """The newest version of every one that was not taken away, by id."""
        rows = _ROWS[resource_type]
        newest = select(rows.id, func.max(rows.number).label("number")).group_by(rows.id).subquery()
        query = (
            _select(rows)
            .join(newest, (rows.id == newest.c.id) & (rows.number == newest.c.number))
            .where(rows.content != "")
            .order_by(rows.id)
        )
        return [StoredResource(*row) for row in await self._connection.execute(query)]

    async def lines(self) -> Sequence[LocalCode]:
        """What a terminology server has said: each code beneath another is a kind of it."""
        return [
            LocalCode(_SNOMED, code, _SNOMED, each.code, Relation.NARROWER, f"{each.version}?fhir_vs=ecl/{each.ecl}")
            for each in await SqlExpansions(self._connection).newest()
            for code in each.codes
        ]

    async def revision(self) -> int:
        """A number that is another one after every change, of these resources or of trials."""
        return await self._connection.scalar(select(RevisionRow.number)) or 0


def _select(rows: type[ConceptMapRow | SupplementRow]) -> Select[str, int, str, str]:
    return select(rows.id, rows.number, rows.fhir_version, rows.content)
