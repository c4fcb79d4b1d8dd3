"""A site's own reference ranges and limits of age, from the settings."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import yaml

from app.criteria.nodes import Quantity
from app.evaluator.settings import SiteRange
from app.knowledge.load import load_catalogue
from app.services.options import read_max_age
from app.services.site import Site
from app.settings import BadSetting

if TYPE_CHECKING:
    from app.knowledge.catalogue import Catalogue
    from app.settings import Settings

_RANGES = "ELIGO_REFERENCE_RANGES"


def site_of(settings: Settings) -> Site:
    """What the settings say of judging. BadSetting."""
    low, high = map(int, settings.childbearing_ages.split("-"))
    return Site(
        childbearing_ages=(low, high),
        stale_after=read_max_age(settings.stale_after),
        weight_max_older=read_max_age(settings.weight_max_older),
        ranges=_ranges(settings.reference_ranges) if settings.reference_ranges else (),
    )


def _ranges(path: str) -> tuple[tuple[str, SiteRange], ...]:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  one line
            given = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadSetting(_RANGES, f"{path} cannot be read as YAML ({type(error).__name__})") from None
    if not isinstance(given, dict) or not all(isinstance(each, dict) for each in given.values()):
        raise BadSetting(_RANGES, "give analytes with their ranges, such as `creatinine: {high: 1.2, unit: mg/dL}`")
    catalogue = load_catalogue()
    return tuple(sorted((str(name), _range(str(name), each, catalogue)) for name, each in given.items()))


def _range(name: str, given: dict[str, Any], catalogue: Catalogue) -> SiteRange:
    if name not in catalogue.analytes:
        raise BadSetting(_RANGES, f"{name!r} is no analyte of the catalogue; docs/settings.md tells where they are")
    if not given.keys() <= {"low", "high", "unit"} or not given.keys() & {"low", "high"}:
        raise BadSetting(_RANGES, f"{name} has `low`, `high` or both, and `unit`")
    unit = catalogue.units.read(str(given.get("unit", "1")))
    if unit is None:
        raise BadSetting(_RANGES, f"{name}: {given['unit']!r} is no UCUM unit")
    try:
        low, high = (Quantity(Decimal(str(given[end])), unit) if end in given else None for end in ("low", "high"))
    except InvalidOperation:
        raise BadSetting(_RANGES, f"{name}: `low` and `high` are numbers") from None
    if low is not None and high is not None and not low.value < high.value:
        raise BadSetting(_RANGES, f"{name}: `low` is not below `high`")
    return SiteRange(low, high)
