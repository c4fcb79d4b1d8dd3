"""Expansions of SNOMED CT hierarchies, by version.

Revision ID: 20261124_expansions
Revises: 20261124_maps
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261124_expansions"
down_revision = "20261124_maps"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "expansion",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("ecl", sa.Text(), nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("codes", sa.Text(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_expansion"),
    )


def downgrade() -> None:
    op.drop_table("expansion")
