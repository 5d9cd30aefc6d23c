"""Scheduling: lanes between owners' turns, jobs that share a pass, and who was passed over for them."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_ELIGIBLE = sa.text("state = 'queued' and not waits")
_SHARED = sa.text("state = 'queued' and not waits and batch_key is not null")


def upgrade() -> None:
    """One step up."""
    lanes = op.create_table(
        "lanes",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("vtime", sa.Double(), server_default="0", nullable=False),
        sa.CheckConstraint("weight > 0", name=op.f("ck_lanes_weight")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lanes")),
    )
    op.bulk_insert(
        lanes,
        [{"name": "interactive", "weight": 8}, {"name": "batch", "weight": 2}, {"name": "training", "weight": 1}],
    )
    op.add_column("fairness", sa.Column("lane_vtime", sa.Double(), server_default="0", nullable=False))
    # Those that an old web process writes meanwhile are of the first lane, and share no pass.
    op.add_column("jobs", sa.Column("lane", sa.Text(), server_default="interactive", nullable=False))
    op.execute("update jobs set lane = 'batch' where batch_id is not null and finished_at is null")
    training = "kind like 'train\\_%' or kind = 'search_hyperparameters'"
    op.execute(f"update jobs set lane = 'training' where finished_at is null and ({training})")  # noqa: S608
    op.add_column("jobs", sa.Column("batch_key", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("passed", sa.Integer(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("passed_since", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("ix_jobs_claim", table_name="jobs")
    op.create_index("ix_jobs_claim", "jobs", ["owner_id", "lane", "pool", "rank", "id"], postgresql_where=_ELIGIBLE)
    op.create_index("ix_jobs_lane", "jobs", ["lane", "pool"], postgresql_where=_ELIGIBLE)
    op.create_index("ix_jobs_shared", "jobs", ["batch_key", "owner_id", "rank", "id"], postgresql_where=_SHARED)


def downgrade() -> None:
    """One step down."""
    op.drop_index("ix_jobs_shared", table_name="jobs")
    op.drop_index("ix_jobs_lane", table_name="jobs")
    op.drop_index("ix_jobs_claim", table_name="jobs")
    op.create_index("ix_jobs_claim", "jobs", ["owner_id", "pool", "rank", "id"], postgresql_where=_ELIGIBLE)
    for name in ("passed_since", "passed", "batch_key", "lane"):
        op.drop_column("jobs", name)
    op.drop_column("fairness", "lane_vtime")
    op.drop_table("lanes")
