"""Schema 0011: announcements, webhooks, deliveries, and what people want to be told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from anchor.store.migrations.operations import INT64, create_index_where, create_table

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Create the tables."""
    create_table(
        "announcements",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), sa.ForeignKey("tenants.name")),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
    )
    create_table(
        "webhooks",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), sa.ForeignKey("tenants.name"), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("former_secret", sa.Text()),
        sa.Column("former_until", sa.Text()),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.Column("failing_since", sa.Text()),
        sa.Column("disabled_at", sa.Text()),
    )
    op.create_index("ix_webhooks_tenant", "webhooks", ["tenant"])
    _create_deliveries()
    create_table(
        "mail_choices",
        sa.Column("person", sa.Text(), sa.ForeignKey("people.id"), primary_key=True),
        sa.Column("topics", sa.Text()),
        sa.Column("language", sa.Text()),
        sa.Column("token", sa.Text(), nullable=False, unique=True),
    )


def _create_deliveries() -> None:
    create_table(
        "deliveries",
        sa.Column("number", INT64, primary_key=True),
        sa.Column("message", sa.Text(), nullable=False, unique=True),
        sa.Column("tenant", sa.Text(), sa.ForeignKey("tenants.name"), nullable=False),
        sa.Column("webhook", sa.Text(), sa.ForeignKey("webhooks.id")),
        sa.Column("person", sa.Text(), sa.ForeignKey("people.id")),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", INT64, nullable=False),
        sa.Column("tried_at", sa.Text()),
        sa.Column("due_at", sa.Text()),
        sa.Column("status", INT64),
        sa.Column("trouble", sa.Text()),
        sa.CheckConstraint("(webhook IS NULL) <> (person IS NULL)", name="one_receiver"),
    )
    op.create_index("ix_deliveries_webhook", "deliveries", ["webhook", "number"])
    op.create_index("ix_deliveries_person", "deliveries", ["person"])
    create_index_where("ix_deliveries_waiting", "deliveries", ["attempts"], "state = 'waiting'")
    create_index_where("ix_deliveries_failed", "deliveries", ["tried_at"], "state = 'failed'")
