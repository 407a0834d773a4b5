"""Schema 0007: jobs of the service, and the certificates that it issues."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from anchor.store.migrations.operations import INT64, create_index_where, create_table

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the tables."""
    create_table(
        "jobs",
        sa.Column("id", INT64, primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("due_at", sa.Text(), nullable=False),
        sa.Column("attempts", INT64, nullable=False),
        sa.Column("failures", INT64, nullable=False),
    )
    op.create_index("ix_jobs_due_at", "jobs", ["due_at"])
    create_table(
        "certificates",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("identity", sa.LargeBinary()),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.Text(), nullable=False),
        sa.Column("number", sa.Text()),
        sa.Column("refusal", sa.Text()),
        sa.Column("issued_at", sa.Text()),
        sa.Column("revoked_at", sa.Text()),
        sa.Column("revocation", sa.Text()),
    )
    op.create_index("ix_certificates_identity", "certificates", ["identity"])
    op.create_index("ix_certificates_number", "certificates", ["number"])
    waiting = "number IS NULL AND refusal IS NULL"
    create_index_where("ix_certificates_waiting", "certificates", ["tenant"], waiting)
    create_table(
        "certificate_files",
        sa.Column("certificate", sa.Text(), sa.ForeignKey("certificates.id"), primary_key=True),
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
