"""What a register says of a trial, and who has corrected its reading.

Revision ID: 20261124_curation
Revises: 20261124_trials
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261124_curation"
down_revision = "20261124_trials"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("record", sa.Text()),
    ("source_digest", sa.String(71)),
    ("reviewed_by", sa.Text()),
    ("reviewed_at", sa.DateTime(timezone=True)),
    ("reviewed_in", sa.Integer()),
)


def upgrade() -> None:
    for name, type_ in _COLUMNS:
        op.add_column("trial_version", sa.Column(name, type_, nullable=True))


def downgrade() -> None:
    for name, _ in reversed(_COLUMNS):
        op.drop_column("trial_version", name)
