"""Feedback: what an owner thinks of a file that a job made, and what it should have been."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """One step up."""
    op.create_table(
        "feedback",
        sa.Column("artifact_id", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("thumb", sa.SmallInteger(), nullable=True),
        sa.Column("edit", sa.Text(), nullable=True),
        sa.Column("given_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("artifact_id", name=op.f("pk_feedback")),
        sa.ForeignKeyConstraint(
            ["artifact_id"], ["artifacts.id"], name=op.f("fk_feedback_artifact_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_feedback_owner_id")),
        sa.CheckConstraint("thumb in (-1, 1)", name=op.f("ck_feedback_thumb")),
        sa.CheckConstraint("thumb is not null or edit is not null", name=op.f("ck_feedback_something")),
    )
    op.create_index("ix_feedback_owner", "feedback", ["owner_id", "given_at"])


def downgrade() -> None:
    """One step down."""
    op.drop_table("feedback")
