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
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("log", sa.LargeBinary(), nullable=False),
        sa.Column("chain_id", INT64, nullable=False),
        sa.Column("genesis", sa.LargeBinary(), nullable=False),
        sa.Column("registry", sa.LargeBinary(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_project_one_row")),
        sa.PrimaryKeyConstraint("id", name="pk_project"),
    )
    create_table(
        "lease",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("epoch", INT64, nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_lease_one_row")),
        sa.PrimaryKeyConstraint("id", name="pk_lease"),
    )
    _create_evidence()
    _create_transactions()
    _create_tenants()


def _create_evidence() -> None:
    create_table(
        "evidence",
        sa.Column("id", INT64, nullable=False),
        sa.Column("identity", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary()),
        sa.Column("sm3", sa.LargeBinary()),
        sa.Column("record", sa.LargeBinary()),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("accepted_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
        sa.UniqueConstraint("identity", name="uq_evidence_identity"),
    )
    create_index_where("ix_evidence_sm3", "evidence", ["sm3"], "sm3 IS NOT NULL")
    create_index_where("ix_evidence_source", "evidence", ["source"], "substr(source, 1, 1) = '/'")
    create_table(
        "keys",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("evidence_id", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_keys"),
        sa.ForeignKeyConstraint(
            ["evidence_id"], ["evidence.id"], name="fk_keys_evidence_id_evidence"
        ),
    )
    create_table(
        "waiting",
        sa.Column("evidence_id", INT64, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("evidence_id", name="pk_waiting"),
    )
    create_table(
        "positions",
        sa.Column("leaf_index", INT64, autoincrement=False, nullable=False),
        sa.Column("evidence_id", INT64, nullable=False),
        sa.PrimaryKeyConstraint("leaf_index", name="pk_positions"),
        sa.UniqueConstraint("evidence_id", name="uq_positions_evidence_id"),
    )
    create_table(
        "heads",
        sa.Column("size", INT64, autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("right_edge", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_heads"),
        sa.UniqueConstraint("root", name="uq_heads_root"),
    )


def _create_transactions() -> None:
    create_table(
        "slots",
        sa.Column("chain_id", INT64, autoincrement=False, nullable=False),
        sa.Column("sender", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", INT64, autoincrement=False, nullable=False),
        sa.Column("reserved_at", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text()),
        sa.Column("gas_used", INT64),
        sa.Column("gas_price", INT64),
        sa.Column("included_at", INT64),
        sa.PrimaryKeyConstraint("chain_id", "sender", "nonce", name="pk_slots"),
    )
    op.create_index("ix_slots_included_at", "slots", ["chain_id", "included_at"])
    create_index_where("uq_slots_open", "slots", ["chain_id"], "outcome IS NULL", unique=True)
    create_table(
        "attempts",
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("chain_id", INT64, nullable=False),
        sa.Column("sender", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", INT64, nullable=False),
        sa.Column("head_size", INT64),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("max_fee", INT64, nullable=False),
        sa.Column("priority_fee", INT64, nullable=False),
        sa.Column("signed_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tx_hash", name="pk_attempts"),
        sa.ForeignKeyConstraint(["head_size"], ["heads.size"], name="fk_attempts_head_size_heads"),
        sa.ForeignKeyConstraint(
            ["chain_id", "sender", "nonce"],
            ["slots.chain_id", "slots.sender", "slots.nonce"],
            name="fk_attempts_chain_id_slots",
        ),
    )
    create_table(
        "anchors",
        sa.Column("chain_id", INT64, autoincrement=False, nullable=False),
        sa.Column("head_size", INT64, autoincrement=False, nullable=False),
        sa.Column("sequence", INT64, nullable=False),
        sa.Column("block_number", INT64, nullable=False),
        sa.Column("timestamp", INT64, nullable=False),
        sa.Column("final", sa.Integer(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary()),
        sa.Column("block_hash", sa.LargeBinary()),
        sa.Column("final_at", sa.Text()),
        sa.CheckConstraint("final IN (0, 1)", name=op.f("ck_anchors_flag")),
        sa.PrimaryKeyConstraint("chain_id", "head_size", name="pk_anchors"),
        sa.ForeignKeyConstraint(["head_size"], ["heads.size"], name="fk_anchors_head_size_heads"),
    )
    create_index_where("ix_anchors_reversible", "anchors", ["chain_id"], "final = 0")
    create_table(
        "incidents",
        sa.Column("id", INT64, nullable=False),
        sa.Column("chain_id", INT64, nullable=False),
        sa.Column("head_size", INT64, nullable=False),
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
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
        sa.ForeignKeyConstraint(["head_size"], ["heads.size"], name="fk_incidents_head_size_heads"),
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
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("per_day", INT64),
        sa.Column("per_minute", INT64),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_tenants"),
    )
    create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text()),
        sa.Column("revoked_at", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name="fk_api_keys_tenant_tenants"),
    )
    create_table(
        "usage",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("accepted", INT64, nullable=False),
        sa.Column("minute", sa.Text(), nullable=False),
        sa.Column("in_minute", INT64, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "day", name="pk_usage"),
    )
