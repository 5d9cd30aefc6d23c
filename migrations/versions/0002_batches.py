"""Batches: many jobs of one request."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """One step up."""
    op.create_table(
        "batches",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "asked", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), server_default="5", nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("total > 0", name=op.f("ck_batches_total")),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_batches_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    op.create_index(
        "uq_batches_idempotency",
        "batches",
        ["owner_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key is not null"),
    )
    op.create_index("ix_batches_owner", "batches", ["owner_id", "id"], unique=False)
    op.add_column("jobs", sa.Column("batch_id", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("batch_index", sa.Integer(), nullable=True))
    op.create_foreign_key(op.f("fk_jobs_batch_id"), "jobs", "batches", ["batch_id"], ["id"], ondelete="SET NULL")
    op.create_index(
        "ix_jobs_batch",
        "jobs",
        ["batch_id", "batch_index", "id"],
        unique=False,
        postgresql_where=sa.text("batch_id is not null"),
    )
    op.create_index(
        "ix_jobs_retried",
        "jobs",
        ["batch_id", "batch_index"],
        unique=False,
        postgresql_where=sa.text("batch_id is not null and parent_id is not null"),
    )


def downgrade() -> None:
    """And back."""
    op.drop_index(
        "ix_jobs_retried",
        table_name="jobs",
        postgresql_where=sa.text("batch_id is not null and parent_id is not null"),
    )
    op.drop_index("ix_jobs_batch", table_name="jobs", postgresql_where=sa.text("batch_id is not null"))
    op.drop_constraint(op.f("fk_jobs_batch_id"), "jobs", type_="foreignkey")
    op.drop_column("jobs", "batch_index")
    op.drop_column("jobs", "batch_id")
    op.drop_index("ix_batches_owner", table_name="batches")
    op.drop_index(
        "uq_batches_idempotency", table_name="batches", postgresql_where=sa.text("idempotency_key is not null")
    )
    op.drop_table("batches")
