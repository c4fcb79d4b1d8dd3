"""Reads the unit table from the data files beside it, once."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files

from app.knowledge.ucum import UnitTable


@lru_cache(maxsize=1)
def load_unit_table() -> UnitTable:
    """The unit table of this release."""
    folder = files("app.knowledge") / "units"
    names = ("ucum", "rules", "aliases")
    return UnitTable.of({name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in names})
