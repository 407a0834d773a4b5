"""Note what was erased and what must not be, and let no statistics hold evidence."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# PostgreSQL copies values of these into its catalogue, where no VACUUM of the table removes them.
_CONTENT = ("identity", "source", "sha256", "sm3", "record")


def upgrade() -> None:
    """Add the tables, and keep PostgreSQL from sampling what may have to be erased."""
    op.create_table(
        "erasures",
        sa.Column("id", _INT64, nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("id_hash", sa.LargeBinary()),
        sa.Column("statement", sa.LargeBinary()),
        sa.Column("erased_at", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
        sqlite_strict=True,
    )
    op.create_index("ix_erasures_id_hash", "erasures", ["id_hash"])
    op.create_index(
        "ix_erasures_unfinished",
        "erasures",
        ["id"],
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "holds",
        sa.Column("id", _INT64, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("leaf", sa.LargeBinary()),
        sa.Column("tenant", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.Text(), nullable=False),
        sa.CheckConstraint("(leaf IS NULL) <> (tenant IS NULL)", name=op.f("ck_holds_one_scope")),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
        sqlite_strict=True,
    )
    if op.get_bind().dialect.name == "postgresql":
        for column in _CONTENT:
            op.execute(f"ALTER TABLE evidence ALTER COLUMN {column} SET STATISTICS 0")
