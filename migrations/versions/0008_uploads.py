"""Uploads: files of an owner that no job made, known by what was sent, and the keys they were sent with."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """One step up."""
    op.alter_column("artifacts", "job_id", nullable=True)
    op.add_column("artifacts", sa.Column("sent_as", sa.Text(), nullable=True))
    op.drop_constraint(op.f("ck_artifacts_role"), "artifacts", type_="check")
    op.create_check_constraint(
        op.f("ck_artifacts_role"), "artifacts", "role in ('output','preview','model','checkpoint','log','input')"
    )
    op.create_check_constraint(op.f("ck_artifacts_input"), "artifacts", "(role = 'input') = (job_id is null)")
    op.create_index(
        "uq_artifacts_sent",
        "artifacts",
        ["owner_id", "sent_as"],
        unique=True,
        postgresql_where=sa.text("sent_as is not null"),
    )
    op.create_table(
        "upload_keys",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("artifact_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "key", name=op.f("pk_upload_keys")),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_upload_keys_owner_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["artifact_id"], ["artifacts.id"], name=op.f("fk_upload_keys_artifact_id"), ondelete="CASCADE"
        ),
    )
    op.create_index("ix_upload_keys_artifact", "upload_keys", ["artifact_id"])


def downgrade() -> None:
    """And back; uploads go, since no job made them."""
    op.drop_table("upload_keys")
    op.drop_index("uq_artifacts_sent", table_name="artifacts", postgresql_where=sa.text("sent_as is not null"))
    op.drop_constraint(op.f("ck_artifacts_input"), "artifacts", type_="check")
    op.drop_constraint(op.f("ck_artifacts_role"), "artifacts", type_="check")
    op.execute("delete from artifacts where role = 'input'")
    op.create_check_constraint(
        op.f("ck_artifacts_role"), "artifacts", "role in ('output','preview','model','checkpoint','log')"
    )
    op.drop_column("artifacts", "sent_as")
    op.alter_column("artifacts", "job_id", nullable=False)
