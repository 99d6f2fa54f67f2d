"""Whether a study's Patient seems to be another person, and for whom somebody decided who it is.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("published", sa.Column("patient_mismatch", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("patient", sa.Column("decided_for", sa.Text, nullable=False, server_default=""))
