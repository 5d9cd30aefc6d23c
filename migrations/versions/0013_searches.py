"""Searches of hyper-parameters: a training that is a trial of one names the search and its number there."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """One step up."""
    op.add_column("jobs", sa.Column("searched_by", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("trial", sa.Integer(), nullable=True))
    op.create_foreign_key(op.f("fk_jobs_searched_by"), "jobs", "jobs", ["searched_by"], ["id"], ondelete="SET NULL")
    given = sa.text("searched_by is not null")
    op.create_index("uq_jobs_trial", "jobs", ["searched_by", "trial"], unique=True, postgresql_where=given)
    still = sa.text("searched_by is not null and finished_at is null")
    op.create_index("ix_jobs_trials_open", "jobs", ["searched_by"], postgresql_where=still)


def downgrade() -> None:
    """One step down."""
    op.drop_index("ix_jobs_trials_open", table_name="jobs")
    op.drop_index("uq_jobs_trial", table_name="jobs")
    op.drop_column("jobs", "trial")
    op.drop_column("jobs", "searched_by")
