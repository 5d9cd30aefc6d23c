"""What works are made with and signed under, and the hash of what they show."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """One step up."""
    op.create_table(
        "signers",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_signers"),
    )
    op.add_column("jobs", sa.Column("made_with", JSONB(), nullable=True))
    op.add_column("artifacts", sa.Column("content_sha256", sa.Text(), nullable=True))
    op.create_index("ix_artifacts_sha256", "artifacts", ["owner_id", "sha256"])
    op.create_index(
        "ix_artifacts_content",
        "artifacts",
        ["owner_id", "content_sha256"],
        postgresql_where=sa.text("content_sha256 is not null"),
    )


def downgrade() -> None:
    """And back."""
    op.drop_index(
        "ix_artifacts_content", table_name="artifacts", postgresql_where=sa.text("content_sha256 is not null")
    )
    op.drop_index("ix_artifacts_sha256", table_name="artifacts")
    op.drop_column("artifacts", "content_sha256")
    op.drop_column("jobs", "made_with")
    op.drop_table("signers")
