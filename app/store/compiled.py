"""Compiled logic in the database: ELM by the digest of the CQL that it was compiled from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from app.store.models import CompiledRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection


class SqlCompiled:
    """The compiled logic of one database, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, digest: str, elm: str) -> None:
        """Keep the ELM (JSON text) of a source; one that was kept before is replaced."""
        await self._connection.execute(delete(CompiledRow).where(CompiledRow.digest == digest))
        await self._connection.execute(
            insert(CompiledRow).values(digest=digest, elm=elm, compiled_at=datetime.now(UTC))
        )

    async def find(self, digests: Iterable[str]) -> Mapping[str, str]:
        """The ELM of those of these sources that were compiled."""
        asked = list(dict.fromkeys(digests))
        rows = await self._connection.execute(
            select(CompiledRow.digest, CompiledRow.elm).where(CompiledRow.digest.in_(asked))
        )
        return {str(digest): str(elm) for digest, elm in rows}
