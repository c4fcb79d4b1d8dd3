"""What a judgement rests on besides the chart and the catalogue: the day, the limits of age, the site's own ranges."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from app.criteria.time import Duration, TimeUnit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from app.criteria.nodes import Quantity


_QUARTER = Duration(Decimal(90), TimeUnit.DAY)


@dataclass(frozen=True, slots=True)
class SiteRange:
    """The reference range a site has configured for an analyte; it serves where an observation has none of its own."""

    low: Quantity | None
    high: Quantity | None


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """How to judge.

    `as_of` is the evaluation date and means the end of that day. `max_age` turns values older than it into unknown;
    values older than `stale_after` are marked. `childbearing_ages` are completed years, both ends included.
    `weight_max_older`: how much older than the creatinine a weight may be for a clearance. `trial_ids` are the
    identifiers of the trial under evaluation, which never counts as another study. `ranges` are by analyte id.
    """

    as_of: date
    max_age: Duration | None = None
    stale_after: Duration = _QUARTER
    childbearing_ages: tuple[int, int] = (12, 55)
    weight_max_older: Duration = _QUARTER
    trial_ids: frozenset[str] = frozenset()
    ranges: Mapping[str, SiteRange] = field(default_factory=lambda: MappingProxyType({}))
