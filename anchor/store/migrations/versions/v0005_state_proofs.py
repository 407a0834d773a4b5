"""Schema 0005: state proofs that are kept, with the proofs of the blocks that records name."""

from __future__ import annotations

import sqlalchemy as sa

from anchor.store.migrations.operations import INT64, create_table

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table."""
    create_table(
        "state_proofs",
        sa.Column("chain_id", INT64, autoincrement=False, primary_key=True),
        sa.Column(
            "head_size", INT64, sa.ForeignKey("heads.size"), autoincrement=False, primary_key=True
        ),
        sa.Column("block_hash", sa.LargeBinary(), primary_key=True),
        sa.Column("proof", sa.LargeBinary(), nullable=False),
    )
