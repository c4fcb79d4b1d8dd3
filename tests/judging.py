"""Judging one bundle by given criteria, as the services do it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from app.knowledge.load import load_catalogue
from app.services import core
from app.services.options import Options

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from app.reader import ReadCriterion


@lru_cache(maxsize=1)
def _desk() -> core.Desk:
    return core.Desk(load_catalogue())


def judge(
    criteria: Iterable[ReadCriterion],
    body: bytes,
    *,
    as_of: date,
    complete: frozenset[str] = frozenset(),
    absence: str = "default",
    trial_id: str = "TRIAL",
    version: int | None = None,
) -> dict[str, Any]:
    """The report as its JSON says it. A trial with a version is judged as a stored one."""
    trial = _desk().ready(trial_id, version, "A trial", "recruiting", criteria)
    options = Options(as_of=as_of, complete=complete, absence=absence)  # type: ignore[arg-type]
    report: dict[str, Any] = orjson.loads(core.judge(trial, body, options, _desk()))
    return report
