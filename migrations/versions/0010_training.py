"""Training in the queue: what a running job is asked to do, jobs that are held back, and the points of curves."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_WISH = "wish is null or (wish = 'pause' and state = 'running') or (wish = 'keep' and state in ('queued','running'))"


def upgrade() -> None:
    """One step up."""
    op.add_column("jobs", sa.Column("wish", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("held", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_check_constraint(op.f("ck_jobs_wish"), "jobs", _WISH)
    op.create_check_constraint(op.f("ck_jobs_held"), "jobs", "not held or state = 'queued'")
    op.create_table(
        "points",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "name", "step", name=op.f("pk_points")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_points_job_id"), ondelete="CASCADE"),
    )
    op.create_index("ix_artifacts_checkpoint", "artifacts", ["job_id"], postgresql_where=sa.text("role = 'checkpoint'"))


def downgrade() -> None:
    """And back; what was held is queued."""
    op.drop_index("ix_artifacts_checkpoint", table_name="artifacts", postgresql_where=sa.text("role = 'checkpoint'"))
    op.drop_table("points")
    op.drop_constraint(op.f("ck_jobs_held"), "jobs", type_="check")
    op.drop_constraint(op.f("ck_jobs_wish"), "jobs", type_="check")
    op.drop_column("jobs", "held")
    op.drop_column("jobs", "wish")
