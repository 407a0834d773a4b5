"""Confirm costs at finality, keep why proofs are missing, and withdraw incidents."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns, and the indexes over them."""
    op.add_column("slots", sa.Column("l1_fee", _INT64))
    op.add_column("slots", sa.Column("confirmed_at", sa.Text()))
    op.add_column("attempts", sa.Column("l1_fee", _INT64))
    op.add_column("anchors", sa.Column("proof_trouble", sa.Text()))
    op.add_column("incidents", sa.Column("seen_block", _INT64))
    op.add_column("incidents", sa.Column("withdrawn_at", sa.Text()))
    op.add_column("incidents", sa.Column("withdrawn_block", _INT64))
    _index_where("ix_slots_unconfirmed", "slots", ["chain_id"], "confirmed_at IS NULL")
    _index_where("ix_anchors_unproven", "anchors", ["chain_id"], "proof_trouble IS NOT NULL")
    op.drop_index("uq_incidents_open", "incidents")
    _index_where(
        "uq_incidents_open",
        "incidents",
        ["chain_id", "head_size"],
        "accepted_at IS NULL AND withdrawn_at IS NULL",
        unique=True,
    )


def _index_where(
    name: str, table: str, columns: list[str], condition: str, *, unique: bool = False
) -> None:
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )
