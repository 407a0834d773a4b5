"""Schema 0013: retention dates of evidence."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from anchor.store.migrations.operations import INT64, create_table

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Create the tables."""
    create_table(
        "retention_index",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("size", INT64, nullable=False),
        sa.CheckConstraint("id = 1", name="one_row"),
    )
    create_table(
        "retentions",
        sa.Column("identity", sa.LargeBinary(), primary_key=True),
        sa.Column("tenant", sa.Text()),
        sa.Column("record_until", sa.Text()),
        sa.Column("owner_until", sa.Text()),
        sa.Column("until", sa.Text(), nullable=False),
        sa.Column("told", INT64, nullable=False),
        sa.Column("told_at", sa.Text()),
        sa.Column("next_at", sa.Text(), nullable=False),
        sa.Column("beaten_by", sa.Text()),
    )
    op.create_index("ix_retentions_next_at", "retentions", ["next_at"])
    op.create_index("ix_retentions_until", "retentions", ["tenant", "until"])
