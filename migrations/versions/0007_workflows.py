"""Workflows: jobs that wait for others."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"

_CLAIM = {"ix_jobs_claim": ["owner_id", "pool", "rank", "id"], "ix_jobs_queue": ["pool", "rank"]}


def upgrade() -> None:
    """One step up."""
    op.create_table(
        "workflows",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("asked", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_workflows_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflows")),
    )
    op.create_index(
        "uq_workflows_idempotency",
        "workflows",
        ["owner_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key is not null"),
    )
    op.create_index("ix_workflows_owner", "workflows", ["owner_id", "id"], unique=False)
    op.create_table(
        "dependencies",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("needs_job_id", sa.Text(), nullable=False),
        sa.CheckConstraint("needs_job_id < job_id", name=op.f("ck_dependencies_older")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_dependencies_job_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["needs_job_id"], ["jobs.id"], name=op.f("fk_dependencies_needs_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "needs_job_id", name=op.f("pk_dependencies")),
    )
    op.create_index("ix_dependencies_needs", "dependencies", ["needs_job_id"], unique=False)
    op.add_column("jobs", sa.Column("workflow_id", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("step", sa.Text(), nullable=True))
    for name in ("waits", "needed"):
        op.add_column("jobs", sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_foreign_key(
        op.f("fk_jobs_workflow_id"), "jobs", "workflows", ["workflow_id"], ["id"], ondelete="SET NULL"
    )
    op.create_check_constraint(op.f("ck_jobs_waits"), "jobs", "not waits or state = 'queued'")
    op.create_index(
        "ix_jobs_workflow",
        "jobs",
        ["workflow_id", "id"],
        unique=False,
        postgresql_where=sa.text("workflow_id is not null"),
    )
    op.create_index("ix_jobs_waits", "jobs", ["id"], unique=False, postgresql_where=sa.text("waits"))
    _claim_where("state = 'queued' and not waits")


def downgrade() -> None:
    """And back."""
    _claim_where("state = 'queued'")
    op.drop_index("ix_jobs_waits", table_name="jobs", postgresql_where=sa.text("waits"))
    op.drop_index("ix_jobs_workflow", table_name="jobs", postgresql_where=sa.text("workflow_id is not null"))
    op.drop_constraint(op.f("ck_jobs_waits"), "jobs", type_="check")
    op.drop_constraint(op.f("fk_jobs_workflow_id"), "jobs", type_="foreignkey")
    for name in ("needed", "waits", "step", "workflow_id"):
        op.drop_column("jobs", name)
    op.drop_table("dependencies")
    op.drop_table("workflows")


def _claim_where(eligible: str) -> None:
    """The indexes that claims use, over these jobs only."""
    for name, columns in _CLAIM.items():
        op.drop_index(name, table_name="jobs")
        op.create_index(name, "jobs", columns, unique=False, postgresql_where=sa.text(eligible))
