"""Idempotency keys of schedules: the same form sent twice is one schedule."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """One step up."""
    op.add_column("schedules", sa.Column("idempotency_key", sa.Text(), nullable=True))
    op.add_column("schedules", sa.Column("fingerprint", sa.Text(), nullable=True))
    op.create_index(
        "uq_schedules_idempotency",
        "schedules",
        ["owner_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key is not null"),
    )


def downgrade() -> None:
    """And back."""
    op.drop_index(
        "uq_schedules_idempotency",
        table_name="schedules",
        postgresql_where=sa.text("idempotency_key is not null"),
    )
    for name in ("fingerprint", "idempotency_key"):
        op.drop_column("schedules", name)
