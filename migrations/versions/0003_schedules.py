"""Schedules, and the runs of their due ticks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """One step up."""
    op.create_table(
        "schedules",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("template", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("overlap", sa.Text(), nullable=False),
        sa.Column("missed", sa.Text(), nullable=False),
        sa.Column("window_s", sa.Integer(), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("next_due", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_due", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("run_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("overlap in ('skip','queue','cancel_old')", name=op.f("ck_schedules_overlap")),
        sa.CheckConstraint("missed in ('skip','once','all')", name=op.f("ck_schedules_missed")),
        sa.CheckConstraint("(missed = 'all') = (window_s is not null)", name=op.f("ck_schedules_window")),
        sa.CheckConstraint("(paused_at is null) = (next_due is not null)", name=op.f("ck_schedules_paused")),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_schedules_owner_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    op.create_index("ix_schedules_owner", "schedules", ["owner_id", "id"], unique=False)
    op.create_index(
        "ix_schedules_due", "schedules", ["next_due"], unique=False, postgresql_where=sa.text("next_due is not null")
    )
    op.create_table(
        "runs",
        sa.Column("schedule_id", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("manual", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("batch_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state in ('due','submitted','skipped','failed')", name=op.f("ck_runs_state")),
        sa.CheckConstraint(
            "num_nonnulls(job_id, batch_id) <= (state = 'submitted')::int", name=op.f("ck_runs_submitted")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_runs_job_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_runs_batch_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name=op.f("fk_runs_schedule_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("schedule_id", "due_at", name=op.f("pk_runs")),
    )
    op.create_index("ix_runs_due", "runs", ["schedule_id"], unique=False, postgresql_where=sa.text("state = 'due'"))
    op.create_index("ix_runs_job", "runs", ["job_id"], unique=False, postgresql_where=sa.text("job_id is not null"))
    op.create_index(
        "ix_runs_batch", "runs", ["batch_id"], unique=False, postgresql_where=sa.text("batch_id is not null")
    )
    op.create_index("ix_runs_created", "runs", ["created_at"], unique=False)


def downgrade() -> None:
    """And back."""
    op.drop_table("runs")
    op.drop_table("schedules")
