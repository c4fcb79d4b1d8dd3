"""ELM by the digest of the CQL that it was compiled from.

Revision ID: 20261124_compiled
Revises: 20261124_supplements
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261124_compiled"
down_revision = "20261124_supplements"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "compiled",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("elm", sa.Text(), nullable=False),
        sa.Column("compiled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_compiled"),
    )


def downgrade() -> None:
    op.drop_table("compiled")
