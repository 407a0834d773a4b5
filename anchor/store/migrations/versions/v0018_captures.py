"""Schema 0018: captures of web pages that tenants ordered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from anchor.store.migrations.operations import INT64, create_index_where, create_table

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Create the table."""
    create_table(
        "captures",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), unique=True),
        sa.Column("url", sa.Text()),
        sa.Column("options", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ordered_by", sa.Text(), nullable=False),
        sa.Column("ordered_at", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.Text()),
        sa.Column("handed", INT64, nullable=False),
        sa.Column("not_before", sa.Text()),
        sa.Column("settled_at", sa.Text()),
        sa.Column("identity", sa.LargeBinary()),
        sa.Column("copy", sa.Text()),
        sa.Column("bag_sha256", sa.LargeBinary()),
        sa.Column("account", sa.Text()),
        sa.Column("refusal", sa.Text()),
    )
    op.create_index("ix_captures_tenant", "captures", ["tenant", "ordered_at"])
    op.create_index("ix_captures_identity", "captures", ["identity"])
    op.create_index("ix_captures_copy", "captures", ["copy"])
    create_index_where("ix_captures_open", "captures", ["tenant"], "settled_at IS NULL")
