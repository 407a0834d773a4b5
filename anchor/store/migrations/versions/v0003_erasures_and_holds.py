"""Schema 0003: erasures, legal holds, and no database statistics about evidence."""

import sqlalchemy as sa
from alembic import op

from anchor.store.migrations.operations import INT64, create_index_where, create_table

revision = "0003"
down_revision = "0002"
# PostgreSQL samples values of these into its catalogue, where no VACUUM of the table removes them.
_CONTENT = ("identity", "source", "sha256", "sm3", "record")


def upgrade() -> None:
    """Add the tables, and stop PostgreSQL from sampling columns that may have to be erased."""
    create_table(
        "erasures",
        sa.Column("id", INT64, primary_key=True),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("id_hash", sa.LargeBinary()),
        sa.Column("statement", sa.LargeBinary()),
        sa.Column("erased_at", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.Text()),
    )
    op.create_index("ix_erasures_id_hash", "erasures", ["id_hash"])
    create_index_where("ix_erasures_unfinished", "erasures", ["id"], "finished_at IS NULL")
    create_table(
        "holds",
        sa.Column("id", INT64, primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("leaf", sa.LargeBinary()),
        sa.Column("tenant", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.Text(), nullable=False),
        sa.CheckConstraint("(leaf IS NULL) <> (tenant IS NULL)", name=op.f("ck_holds_one_scope")),
    )
    if op.get_bind().dialect.name == "postgresql":
        for column in _CONTENT:
            op.execute(f"ALTER TABLE evidence ALTER COLUMN {column} SET STATISTICS 0")
