"""Schema 0006: the index of records, which the next round of the operator's work fills."""

from __future__ import annotations

import sqlalchemy as sa

from anchor.store.migrations.operations import INT64, create_table

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table; without its row, no piece is entered."""
    create_table(
        "record_index",
        sa.Column(
            "id", sa.Integer(), sa.CheckConstraint("id = 1", name="one_row"), primary_key=True
        ),
        sa.Column("size", INT64, nullable=False),
    )
