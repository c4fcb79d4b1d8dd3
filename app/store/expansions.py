"""Expansions of SNOMED CT hierarchies in the database, by the version of SNOMED CT."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.store.models import ExpansionRow, RevisionRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Expansion:
    """The codes beneath `code` in a version."""

    ecl: str
    version: str
    code: str
    codes: tuple[str, ...]


class SqlExpansions:
    """The expansions of one database, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def known(self, version: str) -> frozenset[str]:
        """The expressions that are kept in a version."""
        return frozenset(
            await self._connection.scalars(select(ExpansionRow.ecl).where(ExpansionRow.version == version))
        )

    async def add(self, ecl: str, version: str, code: str, codes: Sequence[str]) -> None:
        """Keep one; one that another process has kept meanwhile stays."""
        await self._connection.execute(update(RevisionRow).values(number=RevisionRow.number + 1))
        insert = postgresql_insert if self._connection.dialect.name == "postgresql" else sqlite_insert
        await self._connection.execute(
            insert(ExpansionRow)
            .values(
                digest=hashlib.sha256(f"{version}\n{ecl}".encode()).hexdigest(),
                version=version,
                ecl=ecl,
                code=code,
                codes=json.dumps(list(codes)),
                fetched_at=datetime.now(UTC),
            )
            .on_conflict_do_nothing(index_elements=[ExpansionRow.digest])
        )

    async def newest(self) -> list[Expansion]:
        """Of each expression, the expansion of the last version, by code."""
        columns = (ExpansionRow.ecl, ExpansionRow.version, ExpansionRow.code, ExpansionRow.codes)
        rows = await self._connection.execute(select(*columns).order_by(ExpansionRow.version))
        found = {ecl: Expansion(ecl, version, code, tuple(json.loads(codes))) for ecl, version, code, codes in rows}
        return [found[each] for each in sorted(found)]
