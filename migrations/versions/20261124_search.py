"""Indexes by which PostgreSQL finds words anywhere in what lists search.

Revision ID: 20261124_search
Revises: 20261124_expansions
"""

from __future__ import annotations

import logging

import sqlalchemy as sa
from alembic import op

revision = "20261124_search"
down_revision = "20261124_expansions"
branch_labels = None
depends_on = None

_log = logging.getLogger("eligo.migrations")
_COLUMNS = ("searched", "conditions")


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    try:
        with connection.begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except sa.exc.DBAPIError:
        # Searching works without it, only slower: not a reason to keep a hospital from its new release.
        _log.warning(
            "This server gives no pg_trgm, so a search goes through all trials. docs/operations.md (PostgreSQL) says "
            "how to add the indexes later."
        )
        return
    for name in _COLUMNS:
        op.create_index(
            f"ix_trial_{name}_trgm", "trial", [name], postgresql_using="gin", postgresql_ops={name: "gin_trgm_ops"}
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for name in _COLUMNS:
            op.execute(f"DROP INDEX IF EXISTS ix_trial_{name}_trgm")
