"""Schema 0010: cases, with their parties, exhibits, notes and members; and the index of names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from anchor.store.migrations.operations import INT64, create_table

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Create the tables."""
    _create_cases()
    _create_exhibits()
    create_table(
        "case_notes",
        sa.Column("id", INT64, primary_key=True),
        sa.Column("case", sa.Text(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
    )
    op.create_index("ix_case_notes_case", "case_notes", ["case", "id"])
    create_table(
        "case_members",
        sa.Column("case", sa.Text(), sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("person", sa.Text(), sa.ForeignKey("people.id"), primary_key=True),
        sa.Column("since", sa.Text(), nullable=False),
    )
    op.create_index("ix_case_members_person", "case_members", ["person"])
    create_table(
        "name_index",
        sa.Column(
            "id", sa.Integer(), sa.CheckConstraint("id = 1", name="one_row"), primary_key=True
        ),
        sa.Column("size", INT64, nullable=False),
    )
    create_table(
        "name_blocks",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("first", INT64, primary_key=True, autoincrement=False),
        sa.Column("places", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("filter", sa.LargeBinary(), nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        # A search reads many of them, and has no time to unpack any.  What may have to be erased
        # is never sampled into the catalogue, where no VACUUM of the table would remove it.
        for name in ("places", "body", "filter"):
            op.execute(
                f"ALTER TABLE name_blocks ALTER COLUMN {name} SET STORAGE EXTERNAL, "
                f"ALTER COLUMN {name} SET STATISTICS 0"
            )


def _create_cases() -> None:
    create_table(
        "cases",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), sa.ForeignKey("tenants.name"), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column(
            "shared",
            sa.Integer(),
            sa.CheckConstraint("shared IN (0, 1)", name="flag"),
            nullable=False,
        ),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.Text()),
        sa.Column("hold_reason", sa.Text()),
        sa.Column("hold_by", sa.Text()),
        sa.Column("hold_at", sa.Text()),
        sa.CheckConstraint("(hold_reason IS NULL) = (hold_at IS NULL)", name="whole_hold"),
    )
    op.create_index("uq_cases_number", "cases", ["tenant", "number"], unique=True)
    op.create_index("ix_cases_created_at", "cases", ["tenant", "created_at", "id"])
    create_table(
        "case_parties",
        sa.Column("case", sa.Text(), sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
    )


def _create_exhibits() -> None:
    create_table(
        "case_exhibits",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("case", sa.Text(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("identity", sa.LargeBinary()),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("added_at", sa.Text(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("erased_at", sa.Text()),
    )
    op.create_index("ix_case_exhibits_case", "case_exhibits", ["case", "position"])
    op.create_index("ix_case_exhibits_identity", "case_exhibits", ["identity"])
    op.create_index("ix_case_exhibits_leaf", "case_exhibits", ["leaf"])
