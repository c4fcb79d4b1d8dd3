"""Feedback on CDS cards, and the callers' tokens that were used.

Revision ID: 20261124_hooks
Revises: 20261124_curation
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261124_hooks"
down_revision = "20261124_curation"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("card", sa.String(36), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trial_id", sa.String(128), nullable=False),
        sa.Column("service_id", sa.String(128), nullable=False),
        sa.Column("suggestions", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("card", "outcome", "at", name="pk_feedback"),
    )
    op.create_index("ix_feedback_trial_id", "feedback", ["trial_id"])
    op.create_table(
        "used_token",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_used_token"),
    )
    op.create_index("ix_used_token_until", "used_token", ["until"])


def downgrade() -> None:
    op.drop_table("used_token")
    op.drop_table("feedback")
