"""Datasets: rows to train on, checked and split, by name and version."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"

_BEFORE = "role in ('output','preview','model','checkpoint','log','input')"
_AFTER = "role in ('output','preview','model','checkpoint','log','input','dataset')"


def upgrade() -> None:
    """One step up."""
    _roles(_AFTER)
    op.create_table(
        "datasets",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_datasets_owner_id"), ondelete="CASCADE"),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_datasets_owner_id")),
    )
    op.create_table(
        "dataset_versions",
        sa.Column("dataset_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("artifact_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("splits", JSONB(), nullable=False),
        sa.Column("report", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", "number", name=op.f("pk_dataset_versions")),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_versions_dataset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["artifact_id"], ["artifacts.id"], name=op.f("fk_dataset_versions_artifact_id")),
        sa.UniqueConstraint("dataset_id", "sha256", name=op.f("uq_dataset_versions_dataset_id")),
    )
    op.create_index("ix_dataset_versions_artifact", "dataset_versions", ["artifact_id"])


def downgrade() -> None:
    """And back; the files of datasets go, since no role is left for them."""
    op.drop_table("dataset_versions")
    op.drop_table("datasets")
    op.execute("delete from artifacts where role = 'dataset'")
    _roles(_BEFORE)


def _roles(check: str) -> None:
    op.drop_constraint(op.f("ck_artifacts_role"), "artifacts", type_="check")
    op.create_check_constraint(op.f("ck_artifacts_role"), "artifacts", check)
