"""Schema 0008: the people of the platform, their tenants, sessions, and each tenant's events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from anchor.store.migrations.operations import INT64, create_table

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the tables."""
    _create_people()
    _create_tenancy()
    _create_sessions()
    create_table(
        "tenant_events",
        sa.Column("id", INT64, primary_key=True),
        sa.Column("tenant", sa.Text(), sa.ForeignKey("tenants.name"), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text()),
        sa.Column("details", sa.Text(), nullable=False),
    )
    op.create_index("ix_tenant_events_tenant", "tenant_events", ["tenant", "id"])
    op.create_index("ix_tenant_events_at", "tenant_events", ["tenant", "at"])


def _create_people() -> None:
    create_table(
        "people",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column(
            "email_verified",
            sa.Integer(),
            sa.CheckConstraint("email_verified IN (0, 1)", name="flag"),
            nullable=False,
        ),
        sa.Column("created_at", sa.Text(), nullable=False),
    )
    create_table(
        "identities",
        sa.Column("issuer", sa.Text(), primary_key=True),
        sa.Column("subject", sa.Text(), primary_key=True),
        sa.Column("person", sa.Text(), sa.ForeignKey("people.id"), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
    )
    op.create_index("ix_identities_person", "identities", ["person"])


def _create_tenancy() -> None:
    create_table(
        "memberships",
        sa.Column("tenant", sa.Text(), sa.ForeignKey("tenants.name"), primary_key=True),
        sa.Column("person", sa.Text(), sa.ForeignKey("people.id"), primary_key=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
    )
    op.create_index("ix_memberships_person", "memberships", ["person"])
    create_table(
        "invitations",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("tenant", sa.Text(), sa.ForeignKey("tenants.name"), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text()),
        sa.Column("used_by", sa.Text(), sa.ForeignKey("people.id")),
    )
    op.create_index("ix_invitations_tenant", "invitations", ["tenant"])


def _create_sessions() -> None:
    create_table(
        "sessions",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("person", sa.Text(), sa.ForeignKey("people.id")),
        sa.Column("api_key", sa.Text(), sa.ForeignKey("api_keys.id")),
        sa.Column("browser", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.Column("used_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text()),
        sa.CheckConstraint("(person IS NULL) <> (api_key IS NULL)", name="one_holder"),
    )
    op.create_index("ix_sessions_person", "sessions", ["person"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
