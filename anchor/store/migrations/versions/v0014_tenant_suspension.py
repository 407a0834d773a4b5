"""Schema 0014: tenants that the operator suspended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the column."""
    op.add_column("tenants", sa.Column("suspended_at", sa.Text()))
