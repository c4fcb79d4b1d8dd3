"""The settings as a table: for the documentation, and with what is in force for a terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from rich.markup import escape
from rich.table import Table

from app.settings import SECRETS, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_BY_MACHINE = {
    "database_url": "an SQLite file in the user's data folder",
    "judge_processes": "2, or 1 on a single core",
    "cds_services": "one for each of the four hooks",
    "auth_audience": "`ELIGO_PUBLIC_URL`, and `/fhir` below it",
}
_HIDDEN = ("url", "secret", "token")
_HEAD = """# Settings

All settings come from the environment; an empty value counts as not set. Sizes are in bytes, times in seconds. They are
checked at the start, and what cannot be used is told with its name. `eligo settings` shows what is in force, and
`eligo doctor` checks whether it works.

**Secrets from files**: instead of `ELIGO_X`, `ELIGO_X_FILE` may name a file that has the value, or the file `eligo_x`
may lie in `/run/secrets`; this holds for every setting. A variable and its `_FILE` at the same time are refused.

This page is made by `make settings` from `app/settings.py`.

| variable | default | what it decides |
| --- | --- | --- |
"""
_TAIL = """
## A site's own rules for judging

`ELIGO_CHILDBEARING_AGES`, `ELIGO_STALE_AFTER`, `ELIGO_WEIGHT_MAX_OLDER` and `ELIGO_REFERENCE_RANGES` change reports.
Where one of them is not the default, the digest of the knowledge in every report (`engine.knowledge`) is another one,
so that reports tell which rules they were made by. The CQL that is given out to other engines has the defaults.

`ELIGO_REFERENCE_RANGES` names a YAML file. Its ranges serve observations that bring none; give only those that hold for
all patients of the site:

```yaml
creatinine: {high: 1.2, unit: mg/dL}
alt: {low: 7, high: 56, unit: U/L}
```

The names are the ids of analytes in `app/knowledge/analytes/`.
"""


def markdown() -> str:
    """The page of the documentation."""
    rows = [f"| `{name}` | {_default(field, info)} | {_says(info)} |" for name, field, info in _fields()]
    return _HEAD + "\n".join(rows) + "\n" + _TAIL


def in_force(settings: Settings) -> Table:
    """What is in force and where it comes from. Secrets and addresses, which may hold one, are not shown."""
    table = Table("setting", "value", "from", show_edge=False, header_style="bold")
    for name, field, _ in _fields():
        source = _source(name)
        table.add_row(name, escape(_shown(field, getattr(settings, field), is_set=source != "default")), source)
    return table


def _fields() -> Iterator[tuple[str, str, Any]]:
    for field, info in Settings.model_fields.items():
        yield f"ELIGO_{field.upper()}", field, info


def _default(field: str, info: Any) -> str:
    if field in _BY_MACHINE:
        return _BY_MACHINE[field]
    value = info.default
    text = "" if isinstance(value, SecretStr) else _text(value)
    return f"`{text}`" if text else "none"


def _says(info: Any) -> str:
    text = str(info.description).replace("\n", " ").rstrip(".").replace("|", "\\|")
    return text[0].lower() + text[1:] if not text[1].isupper() else text


def _text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple() | list():
            return ",".join(map(str, value))
        case dict():
            return ""
        case _:
            return str(value)


def _shown(field: str, value: Any, *, is_set: bool) -> str:
    if is_set and (isinstance(value, SecretStr) or field.endswith(_HIDDEN)):
        return "(set)"
    return "" if isinstance(value, SecretStr) else _text(value)


def _source(name: str) -> str:
    if os.environ.get(name):
        return "environment"
    if os.environ.get(f"{name}_FILE"):
        return f"{name}_FILE"
    return str(SECRETS / name.lower()) if (SECRETS / name.lower()).is_file() else "default"
