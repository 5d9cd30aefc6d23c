"""The gallery: sizes and thumbnails of pictures, and stars."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """One step up."""
    op.add_column("artifacts", sa.Column("width", sa.Integer(), nullable=True))
    op.add_column("artifacts", sa.Column("height", sa.Integer(), nullable=True))
    op.add_column("artifacts", sa.Column("thumb_key", sa.Text(), nullable=True))
    op.add_column("artifacts", sa.Column("starred_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key(op.f("fk_artifacts_thumb_key"), "artifacts", "blobs", ["thumb_key"], ["key"])
    op.create_index(
        "ix_artifacts_thumb",
        "artifacts",
        ["thumb_key"],
        unique=False,
        postgresql_where=sa.text("thumb_key is not null"),
    )
    op.create_index(
        "ix_artifacts_starred",
        "artifacts",
        ["owner_id", "id"],
        unique=False,
        postgresql_where=sa.text("starred_at is not null"),
    )


def downgrade() -> None:
    """And back."""
    op.drop_index("ix_artifacts_starred", table_name="artifacts", postgresql_where=sa.text("starred_at is not null"))
    op.drop_index("ix_artifacts_thumb", table_name="artifacts", postgresql_where=sa.text("thumb_key is not null"))
    op.drop_constraint(op.f("fk_artifacts_thumb_key"), "artifacts", type_="foreignkey")
    for name in ("starred_at", "thumb_key", "height", "width"):
        op.drop_column("artifacts", name)
