"""The first schema.

Revision ID: 0001
Revises: none
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    _lasting()
    _studies()
    _dirty()
    _targets()
    _published()
    _patients()
    _quarantine()
    _backfill()


def _create(name: str, *columns: sa.Column[object], keys: int = 1) -> None:
    """Make a table whose first `keys` columns are its key; SQLite keeps it as one tree, ordered by that key."""
    key = sa.PrimaryKeyConstraint(*(column.name for column in columns[:keys]), name=f"pk_{name}")
    op.create_table(name, *columns, key, sqlite_with_rowid=False)


def _text(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Integer(), nullable=nullable, autoincrement=False)


def _large(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _real(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Double(), nullable=nullable)


def _flag(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _partial_index(name: str, table: str, column: str, condition: str, *, unique: bool = False) -> None:
    where = sa.text(condition)
    op.create_index(name, table, [column], unique=unique, sqlite_where=where, postgresql_where=where)


def _lasting() -> None:
    _create("meta", _text("name"), _text("value"))
    _create(
        "source",
        _text("name"),
        _text("patient_system", nullable=True),
        _text("endpoint_id", nullable=True),
        _real("last_poll_at", nullable=True),
        _real("last_write_at", nullable=True),
    )
    _create("feed", _text("source"), _text("cursor"), _large("reached"), _number("epoch"))


def _studies() -> None:
    _create("study", _text("study_instance_uid"), _large("generation"))
    columns = (_text("source"), _text("location_id"), _text("study_instance_uid"), _real("marked_at"))
    _create("copy", *columns, keys=2)
    op.create_index("ix_copy_study_instance_uid", "copy", ["study_instance_uid"])
    op.create_index("ix_copy_source_marked_at", "copy", ["source", "marked_at"])


def _dirty() -> None:
    _create(
        "dirty",
        _text("study_instance_uid"),
        _large("generation"),
        _number("lane"),
        _text("reason"),
        _flag("force"),
        _real("first_event_at"),
        _real("last_event_at"),
        _real("due_at"),
        _number("attempts"),
        _text("last_cause", nullable=True),
        _real("lease_until", nullable=True),
        _large("taken_generation", nullable=True),
        _flag("is_abandoned"),
        _number("run_id", nullable=True),
    )
    op.create_index("ix_dirty_lane_due_at", "dirty", ["lane", "due_at"])
    _partial_index("ix_dirty_leased", "dirty", "lease_until", "lease_until IS NOT NULL")
    _partial_index("ix_dirty_run", "dirty", "run_id", "run_id IS NOT NULL")


def _targets() -> None:
    op.create_table(
        "target",
        sa.Column("target_id", sa.Integer(), nullable=False),
        _text("base_url"),
        _flag("is_active"),
        sa.PrimaryKeyConstraint("target_id", name="pk_target"),
    )
    _partial_index("ix_target_active", "target", "base_url", "is_active", unique=True)
    _create("endpoint", _number("target_id"), _text("source"), _text("fingerprint"), keys=2)


def _published() -> None:
    _create(
        "published",
        _number("target_id"),
        _text("study_instance_uid"),
        _text("fhir_id"),
        _text("version_id", nullable=True),
        _text("fingerprint"),
        _number("mapping_generation"),
        _text("last_update", nullable=True),
        _number("number_of_series"),
        _number("number_of_instances"),
        _text("patient_key", nullable=True),
        _real("published_at"),
        keys=2,
    )


def _patients() -> None:
    columns = (_text("fhir_id"), _text("fingerprint"), _text("basis"), _text("names"))
    _create("patient", _number("target_id"), _text("patient_key"), *columns, keys=2)


def _quarantine() -> None:
    columns = (_text("cause"), _text("text"), _text("hint"), _real("since"), _number("run_id", nullable=True))
    _create("quarantine", _text("study_instance_uid"), *columns)


def _backfill() -> None:
    op.create_table(
        "backfill",
        sa.Column("run_id", sa.Integer(), nullable=False),
        _text("digest"),
        _text("cursor"),
        _number("marked"),
        _flag("is_marked"),
        _real("started_at"),
        _real("finished_at", nullable=True),
        _real("rate", nullable=True),
        _large("instances"),
        sa.PrimaryKeyConstraint("run_id", name="pk_backfill"),
    )
