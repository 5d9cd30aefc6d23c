"""Versions of trained models: what a training job made under a name, and which of them the name stands for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """One step up."""
    op.add_column("models", sa.Column("version", sa.Integer(), nullable=True))
    op.create_table(
        "model_versions",
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("artifact_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("lineage", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("figures", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("model_id", "number", name=op.f("pk_model_versions")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_model_versions_model_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["artifact_id"], ["artifacts.id"], name=op.f("fk_model_versions_artifact_id")),
    )
    op.create_index("ix_model_versions_artifact", "model_versions", ["artifact_id"])


def downgrade() -> None:
    """One step down."""
    op.drop_table("model_versions")
    op.drop_column("models", "version")
