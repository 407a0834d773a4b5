"""Schema 0015: copies of originals that tenants keep, and their parts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from anchor.store.migrations.operations import INT64, create_index_where, create_table

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Create the tables."""
    create_table(
        "kept_copies",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("identity", sa.LargeBinary()),
        sa.Column("length", INT64, nullable=False),
        sa.Column("received", INT64, nullable=False),
        sa.Column("parts", INT64, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("wrapped_key", sa.LargeBinary()),
        sa.Column("begun_by", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.Column("settled_at", sa.Text()),
        sa.CheckConstraint(
            "(wrapped_key IS NULL) = (state IN ('refused', 'deleted'))", name="key_while_it_lives"
        ),
    )
    op.create_index("ix_kept_copies_identity", "kept_copies", ["identity"])
    create_index_where(
        "ix_kept_copies_tenant", "kept_copies", ["tenant", "length"], "wrapped_key IS NOT NULL"
    )
    create_index_where(
        "uq_kept_copies_live",
        "kept_copies",
        ["identity"],
        "wrapped_key IS NOT NULL",
        unique=True,
    )
    create_table(
        "kept_copy_parts",
        sa.Column("copy", sa.Text(), sa.ForeignKey("kept_copies.id"), primary_key=True),
        sa.Column("number", INT64, primary_key=True, autoincrement=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("size", INT64, nullable=False),
    )
