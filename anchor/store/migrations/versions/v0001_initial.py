"""The first schema."""

import sqlalchemy as sa
from alembic import op

from anchor.store.migrations.operations import INT64, create_index_where, create_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    create_table(
        "project",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("log", sa.LargeBinary(), nullable=False),
        sa.Column("chain_id", INT64, nullable=False),
        sa.Column("genesis", sa.LargeBinary(), nullable=False),
        sa.Column("registry", sa.LargeBinary(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_project_one_row")),
    )
    create_table(
        "lease",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("epoch", INT64, nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_lease_one_row")),
    )
    _create_evidence()
    _create_transactions()
    _create_tenants()


def _create_evidence() -> None:
    create_table(
        "evidence",
        sa.Column("id", INT64, primary_key=True),
        sa.Column("identity", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary()),
        sa.Column("sm3", sa.LargeBinary()),
        sa.Column("record", sa.LargeBinary()),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("accepted_at", sa.Text(), nullable=False),
    )
    create_index_where("ix_evidence_sm3", "evidence", ["sm3"], "sm3 IS NOT NULL")
    create_index_where("ix_evidence_source", "evidence", ["source"], "substr(source, 1, 1) = '/'")
    create_table(
        "keys",
        sa.Column("key", sa.LargeBinary(), primary_key=True),
        sa.Column("evidence_id", INT64, sa.ForeignKey("evidence.id"), nullable=False),
    )
    create_table(
        "waiting",
        sa.Column("evidence_id", INT64, autoincrement=False, primary_key=True),
    )
    create_table(
        "positions",
        sa.Column("leaf_index", INT64, autoincrement=False, primary_key=True),
        sa.Column("evidence_id", INT64, nullable=False, unique=True),
    )
    create_table(
        "heads",
        sa.Column("size", INT64, autoincrement=False, primary_key=True),
        sa.Column("root", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("right_edge", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.Text(), nullable=False),
    )


def _create_transactions() -> None:
    create_table(
        "slots",
        sa.Column("chain_id", INT64, autoincrement=False, primary_key=True),
        sa.Column("sender", sa.LargeBinary(), primary_key=True),
        sa.Column("nonce", INT64, autoincrement=False, primary_key=True),
        sa.Column("reserved_at", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text()),
        sa.Column("gas_used", INT64),
        sa.Column("gas_price", INT64),
        sa.Column("included_at", INT64),
    )
    op.create_index("ix_slots_included_at", "slots", ["chain_id", "included_at"])
    create_index_where("uq_slots_open", "slots", ["chain_id"], "outcome IS NULL", unique=True)
    create_table(
        "attempts",
        sa.Column("tx_hash", sa.LargeBinary(), primary_key=True),
        sa.Column("chain_id", INT64, nullable=False),
        sa.Column("sender", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", INT64, nullable=False),
        sa.Column("head_size", INT64),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("max_fee", INT64, nullable=False),
        sa.Column("priority_fee", INT64, nullable=False),
        sa.Column("signed_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["head_size"], ["heads.size"], name="fk_attempts_head_size_heads"),
        sa.ForeignKeyConstraint(
            ["chain_id", "sender", "nonce"],
            ["slots.chain_id", "slots.sender", "slots.nonce"],
            name="fk_attempts_chain_id_slots",
        ),
    )
    create_table(
        "anchors",
        sa.Column("chain_id", INT64, autoincrement=False, primary_key=True),
        sa.Column(
            "head_size", INT64, sa.ForeignKey("heads.size"), autoincrement=False, primary_key=True
        ),
        sa.Column("sequence", INT64, nullable=False),
        sa.Column("block_number", INT64, nullable=False),
        sa.Column("timestamp", INT64, nullable=False),
        sa.Column("final", sa.Integer(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary()),
        sa.Column("block_hash", sa.LargeBinary()),
        sa.Column("final_at", sa.Text()),
        sa.CheckConstraint("final IN (0, 1)", name=op.f("ck_anchors_flag")),
    )
    create_index_where("ix_anchors_reversible", "anchors", ["chain_id"], "final = 0")
    create_table(
        "incidents",
        sa.Column("id", INT64, primary_key=True),
        sa.Column("chain_id", INT64, nullable=False),
        sa.Column("head_size", INT64, sa.ForeignKey("heads.size"), nullable=False),
        sa.Column("noticed_at", sa.Text(), nullable=False),
        sa.Column("sequence", INT64, nullable=False),
        sa.Column("block_number", INT64, nullable=False),
        sa.Column("timestamp", INT64, nullable=False),
        sa.Column("tx_hash", sa.LargeBinary()),
        sa.Column("block_hash", sa.LargeBinary()),
        sa.Column("now_sequence", INT64),
        sa.Column("now_block_number", INT64),
        sa.Column("now_timestamp", INT64),
        sa.Column("accepted_at", sa.Text()),
    )
    create_index_where(
        "uq_incidents_open",
        "incidents",
        ["chain_id", "head_size"],
        "accepted_at IS NULL",
        unique=True,
    )


def _create_tenants() -> None:
    create_table(
        "tenants",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("per_day", INT64),
        sa.Column("per_minute", INT64),
        sa.Column("created_at", sa.Text(), nullable=False),
    )
    create_table(
        "api_keys",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), sa.ForeignKey("tenants.name"), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text()),
        sa.Column("revoked_at", sa.Text()),
    )
    create_table(
        "usage",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("day", sa.Text(), primary_key=True),
        sa.Column("accepted", INT64, nullable=False),
        sa.Column("minute", sa.Text(), nullable=False),
        sa.Column("in_minute", INT64, nullable=False),
    )
