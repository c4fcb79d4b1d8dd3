"""The database: trials and their immutable versions. No patient datum is ever written here."""

from app.store.compiled import SqlCompiled
from app.store.database import Database, Limits, connectable_url
from app.store.expansions import SqlExpansions
from app.store.migrate import downgrade, is_current, migrate
from app.store.site_codes import SqlSiteCodes
from app.store.trials import SqlTrials

__all__ = [
    "Database",
    "Limits",
    "SqlCompiled",
    "SqlExpansions",
    "SqlSiteCodes",
    "SqlTrials",
    "connectable_url",
    "downgrade",
    "is_current",
    "migrate",
]
