"""Schema 0017: blocked networks, limited addresses, confirmed e-mail addresses, failed jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from anchor.store.migrations.operations import INT64, create_table

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Create the tables, and add the column and an index."""
    create_table(
        "blocked_networks",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("network", sa.Text(), nullable=False, unique=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.Column("until", sa.Text(), nullable=False),
    )
    create_table(
        "limited_addresses",
        sa.Column("address", sa.Text(), primary_key=True),
        sa.Column("refusals", INT64, nullable=False),
        sa.Column("first_at", sa.Text(), nullable=False),
        sa.Column("last_at", sa.Text(), nullable=False),
    )
    op.create_index("ix_limited_addresses_last_at", "limited_addresses", ["last_at"])
    create_table(
        "mail_confirmations",
        sa.Column("person", sa.Text(), sa.ForeignKey("people.id"), primary_key=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), unique=True),
        sa.Column("asked", INT64, nullable=False),
        sa.Column("asked_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.Column("confirmed_at", sa.Text()),
    )
    op.create_index("ix_mail_confirmations_address", "mail_confirmations", ["address"])
    op.add_column("jobs", sa.Column("trouble", sa.Text()))
    op.create_index("ix_tenant_events_subject", "tenant_events", ["tenant", "subject"])
