"""What others wrote: the memory of merges, and whose a Patient is.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table; all Patients so far were made by us."""
    op.add_column("published", _flag("is_shared", sa.false()))
    op.add_column("patient", _flag("is_ours", sa.true()))
    op.add_column("patient", sa.Column("version_id", sa.Text()))
    op.add_column("patient", _flag("is_shared", sa.false()))
    op.create_table(
        "written",
        sa.Column("target_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("confirmed", sa.LargeBinary()),
        sa.Column("pending", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("target_id", "reference", name="pk_written"),
    )


def _flag(name: str, default: sa.sql.ColumnElement[bool]) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=default)
