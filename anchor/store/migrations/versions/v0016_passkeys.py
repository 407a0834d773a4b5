"""Schema 0016: passkeys of persons, the challenges they answered, and their sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from anchor.store.migrations.operations import INT64, create_table

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Create the tables, and add the column."""
    create_table(
        "passkeys",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("credential", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("person", sa.Text(), sa.ForeignKey("people.id"), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", INT64, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.Column("used_at", sa.Text()),
    )
    op.create_index("ix_passkeys_person", "passkeys", ["person"])
    create_table(
        "answered_challenges",
        sa.Column("challenge", sa.LargeBinary(), primary_key=True),
        sa.Column("expires_at", sa.Text(), nullable=False),
    )
    op.create_index("ix_answered_challenges_expires_at", "answered_challenges", ["expires_at"])
    op.add_column("sessions", sa.Column("passkey", sa.Text()))
