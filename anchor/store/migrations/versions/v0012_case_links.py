"""Schema 0012: links by which a court or an authority reads one case."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from anchor.store.migrations.operations import INT64, create_table

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Create the table."""
    create_table(
        "case_links",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("case", sa.Text(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.Text()),
        sa.Column("opened", INT64, nullable=False),
        sa.Column("opened_at", sa.Text()),
        sa.Column("noted_at", sa.Text()),
    )
    op.create_index("ix_case_links_case", "case_links", ["case"])
