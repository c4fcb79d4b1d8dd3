"""The CodeSystem supplements of a site, in all their versions.

Revision ID: 20261124_supplements
Revises: 20261124_search
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261124_supplements"
down_revision = "20261124_search"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "supplement",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("fhir_version", sa.String(8), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", "number", name="pk_supplement"),
    )


def downgrade() -> None:
    op.drop_table("supplement")
