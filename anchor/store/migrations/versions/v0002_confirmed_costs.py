"""Schema 0002: costs confirmed at finality, reasons for missing proofs, withdrawn incidents."""

import sqlalchemy as sa
from alembic import op

from anchor.store.migrations.operations import INT64, create_index_where

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns and their indexes."""
    op.add_column("slots", sa.Column("l1_fee", INT64))
    op.add_column("slots", sa.Column("confirmed_at", sa.Text()))
    op.add_column("attempts", sa.Column("l1_fee", INT64))
    op.add_column("anchors", sa.Column("proof_trouble", sa.Text()))
    op.add_column("incidents", sa.Column("seen_block", INT64))
    op.add_column("incidents", sa.Column("withdrawn_at", sa.Text()))
    op.add_column("incidents", sa.Column("withdrawn_block", INT64))
    create_index_where("ix_slots_unconfirmed", "slots", ["chain_id"], "confirmed_at IS NULL")
    create_index_where("ix_anchors_unproven", "anchors", ["chain_id"], "proof_trouble IS NOT NULL")
    op.drop_index("uq_incidents_open", "incidents")
    create_index_where(
        "uq_incidents_open",
        "incidents",
        ["chain_id", "head_size"],
        "accepted_at IS NULL AND withdrawn_at IS NULL",
        unique=True,
    )
