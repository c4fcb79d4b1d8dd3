"""What CDS Hooks keeps: feedback on cards, and the tokens of callers that were used. No patient datum."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.store.models import FeedbackRow, UsedTokenRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Protocol

    from sqlalchemy.ext.asyncio import AsyncConnection

    class Feedback(Protocol):
        """What became of a card."""

        @property
        def card(self) -> str: ...
        @property
        def trial_id(self) -> str: ...
        @property
        def service_id(self) -> str: ...
        @property
        def outcome(self) -> str: ...
        @property
        def suggestions(self) -> tuple[str, ...]: ...
        @property
        def reason(self) -> str: ...
        @property
        def at(self) -> datetime: ...


class SqlHooks:
    """Feedback and used tokens, within the transaction of a connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._insert: Any = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert

    async def add_feedback(self, feedback: Feedback) -> bool:
        """Keep it; False where just this was kept before."""
        row = {
            "card": feedback.card,
            "outcome": feedback.outcome,
            "at": feedback.at,
            "trial_id": feedback.trial_id,
            "service_id": feedback.service_id,
            "suggestions": json.dumps(feedback.suggestions),
            "reason": feedback.reason,
        }
        added = await self._connection.execute(self._insert(FeedbackRow).values(row).on_conflict_do_nothing())
        return bool(added.rowcount)

    async def summarise_feedback(self) -> Sequence[dict[str, Any]]:
        """Per trial, by id: how often its cards were accepted and overridden, what was taken up, and why not."""
        columns = (
            FeedbackRow.trial_id,
            FeedbackRow.outcome,
            FeedbackRow.suggestions,
            FeedbackRow.reason,
            FeedbackRow.at,
        )
        rows = (await self._connection.execute(select(*columns).order_by(FeedbackRow.trial_id))).all()
        outcomes: dict[str, Counter[str]] = {}
        taken: dict[str, Counter[str]] = {}
        reasons: dict[str, Counter[str]] = {}
        latest: dict[str, datetime] = {}
        for trial_id, outcome, suggestions, reason, at in rows:
            outcomes.setdefault(trial_id, Counter())[outcome] += 1
            taken.setdefault(trial_id, Counter()).update(json.loads(suggestions))
            if outcome == "overridden":
                reasons.setdefault(trial_id, Counter())[reason or "not-given"] += 1
            latest[trial_id] = max(at, latest.get(trial_id, at))
        return [
            {
                "trial": trial_id or None,
                "accepted": found["accepted"],
                "overridden": found["overridden"],
                "suggestions": dict(sorted(taken[trial_id].items())),
                "reasons": dict(sorted(reasons.get(trial_id, Counter()).items())),
                "latest": latest[trial_id].isoformat(),
            }
            for trial_id, found in outcomes.items()
        ]

    async def use_token(self, digest: str, until: datetime, now: datetime) -> bool:
        """Note that a token was used; False where it was before. What has expired is forgotten."""
        await self._connection.execute(delete(UsedTokenRow).where(UsedTokenRow.until < now))
        added = await self._connection.execute(
            self._insert(UsedTokenRow).values(digest=digest, until=until).on_conflict_do_nothing()
        )
        return bool(added.rowcount)
