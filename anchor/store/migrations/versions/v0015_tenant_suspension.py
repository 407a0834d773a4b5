"""Schema 0015: tenants that the operator suspended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0012"  # 0013 and 0014 are to come before it


def upgrade() -> None:
    """Add the column."""
    op.add_column("tenants", sa.Column("suspended_at", sa.Text()))
