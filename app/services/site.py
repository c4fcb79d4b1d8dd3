"""What a site decides about judging; where it decides otherwise than by default, reports tell so in their engine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from app.criteria.time import Duration, TimeUnit
from app.evaluator.settings import EvaluationSettings

if TYPE_CHECKING:
    from datetime import date

    from app.evaluator.settings import SiteRange

_QUARTER = Duration(Decimal(90), TimeUnit.DAY)


@dataclass(frozen=True, slots=True)
class Site:
    """As in EvaluationSettings; `ranges` are pairs of an analyte's id and its range, sorted."""

    childbearing_ages: tuple[int, int] = (12, 55)
    stale_after: Duration = _QUARTER
    weight_max_older: Duration = _QUARTER
    ranges: tuple[tuple[str, SiteRange], ...] = ()

    def settings(self, as_of: date, max_age: Duration | None, trial_ids: frozenset[str]) -> EvaluationSettings:
        """How to judge for this site on a day."""
        return EvaluationSettings(
            as_of=as_of,
            max_age=max_age,
            stale_after=self.stale_after,
            childbearing_ages=self.childbearing_ages,
            weight_max_older=self.weight_max_older,
            trial_ids=trial_ids,
            ranges=MappingProxyType(dict(self.ranges)),
        )

    def digest(self, catalogue: str) -> str:
        """The digest of a catalogue together with what the site decides; of the catalogue alone by default.

        The same record, trial, day, release and digest give the same answer, on whatever site.
        """
        if self == Site():
            return catalogue
        both = f"{catalogue}\n{self!r}"
        return f"sha256:{hashlib.sha256(both.encode()).hexdigest()}"
