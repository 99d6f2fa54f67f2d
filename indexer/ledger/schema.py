"""The ledger's tables.

There are no foreign keys: each table is written by one module, in transactions that keep the tables in step, and the
checks would cost a look-up per row in markings of a million studies. Times are epoch seconds.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
    text,
)

# Cause of a dirty study that no pipeline takes, because its sources are not configured.
SOURCE_NOT_CONFIGURED = "source_not_configured"

metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"})


def _table(name: str, *columns: Column[Any] | Index) -> Table:
    """A table whose rows SQLite keeps by their primary key alone."""
    return Table(name, metadata, *columns, sqlite_with_rowid=False)


def _index_where(condition: str, name: str, column: str, *, unique: bool = False) -> Index:
    where = text(condition)
    return Index(name, column, unique=unique, sqlite_where=where, postgresql_where=where)


# Names and secrets that live as long as the ledger: the site key.
meta = _table(
    "meta",
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# What belongs to a source itself, whatever its feed or the target does.
source = _table(
    "source",
    Column("name", Text, primary_key=True),
    Column("patient_system", Text),
    Column("endpoint_id", Text),
    Column("last_poll_at", Double),
    Column("last_write_at", Double),
)

# How far a source's feed was read; the cursor is the feed's own text.
feed = _table(
    "feed",
    Column("source", Text, primary_key=True),
    Column("cursor", Text, nullable=False),
    Column("reached", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
)

# Every study that was ever marked. `generation` never falls, so that a late settlement cannot end a newer mark.
study = _table(
    "study",
    Column("study_instance_uid", Text, primary_key=True),
    Column("generation", BigInteger, nullable=False),
)

# Where a study stands.
location = _table(
    "location",
    Column("source", Text, primary_key=True),
    Column("location_id", Text, primary_key=True),
    Column("study_instance_uid", Text, nullable=False),
    Column("marked_at", Double, nullable=False),
    Index(None, "study_instance_uid"),
    Index(None, "source", "marked_at"),
)

# The work. `source` is the one whose pipeline reads the study. `taken_generation` is the generation that the present
# lease was given for; `is_abandoned` says that an owner died under a lease, so that the target may hold what was not
# settled.
dirty = _table(
    "dirty",
    Column("study_instance_uid", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("lane", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("force", Boolean, nullable=False),
    Column("first_event_at", Double, nullable=False),
    Column("last_event_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_cause", Text),
    Column("lease_until", Double),
    Column("taken_generation", BigInteger),
    Column("is_abandoned", Boolean, nullable=False),
    Column("run_id", Integer),
    Index(None, "source", "lane", "due_at"),
    _index_where("lease_until IS NOT NULL", "ix_dirty_leased", "lease_until"),
    _index_where("run_id IS NOT NULL", "ix_dirty_run", "run_id"),
)

# FHIR servers by address. A server that was replaced under its address gets a new row; one row per address is active.
target = Table(
    "target",
    metadata,
    Column("target_id", Integer, primary_key=True),
    Column("base_url", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    # How much it takes in one request, by kind of request.
    Column("capacities", JSON, nullable=False),
    _index_where("is_active", "ix_target_active", "base_url", unique=True),
)

# What a target confirmed of each study, of each Patient and of each source's Endpoint.
published = _table(
    "published",
    Column("target_id", Integer, primary_key=True, autoincrement=False),
    Column("study_instance_uid", Text, primary_key=True),
    Column("fhir_id", Text, nullable=False),
    Column("version_id", Text),
    Column("fingerprint", Text, nullable=False),
    Column("mapping_generation", Integer, nullable=False),
    Column("last_update", Text),
    Column("number_of_series", Integer, nullable=False),
    Column("number_of_instances", Integer, nullable=False),
    Column("patient_key", Text),
    Column("published_at", Double, nullable=False),
    Column("is_shared", Boolean, nullable=False),
    Column("references", Text, nullable=False),
    Column("patient_mismatch", Boolean, nullable=False, server_default=false()),
)

patient = _table(
    "patient",
    Column("target_id", Integer, primary_key=True, autoincrement=False),
    Column("patient_key", Text, primary_key=True),
    Column("fhir_id", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("basis", Text, nullable=False),
    Column("names", JSON, nullable=False),
    Column("is_ours", Boolean, nullable=False),
    Column("version_id", Text),
    Column("is_shared", Boolean, nullable=False),
    Column("decided_for", Text, nullable=False, server_default=""),
)

endpoint = _table(
    "endpoint",
    Column("target_id", Integer, primary_key=True, autoincrement=False),
    Column("source", Text, primary_key=True),
    Column("fhir_id", Text, nullable=False),
    Column("version_id", Text),
    Column("fingerprint", Text, nullable=False),
    Column("is_shared", Boolean, nullable=False),
)

# What we wrote into each resource, compressed: the memory of the next merge. Resources are named by what they are, for
# their ids may be the server's to give. `pending` is recorded before it is sent, and becomes `confirmed` when the
# server confirmed it.
written = Table(
    "written",
    metadata,
    Column("target_id", Integer, primary_key=True, autoincrement=False),
    Column("resource_type", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("confirmed", LargeBinary),
    Column("pending", LargeBinary),
)

# Studies that could not be published as they were. `retry_at` is when one that the FHIR server refused is tried again.
quarantine = _table(
    "quarantine",
    Column("study_instance_uid", Text, primary_key=True),
    Column("cause", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("run_id", Integer),
    Column("retry_at", Double),
)

# Backfills; `instances` counts those of the run's studies that were settled as published.
backfill = Table(
    "backfill",
    metadata,
    Column("run_id", Integer, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("cursor", Text, nullable=False),
    Column("feed_position", Text, nullable=False),
    Column("marked", Integer, nullable=False),
    Column("is_marked", Boolean, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("finished_at", Double),
    Column("rate", Double),
    Column("instances", BigInteger, nullable=False),
)

# How the servers do, as the process that drains sees them; `since` and `next_try_at` belong to an outage.
server_health = _table(
    "server_health",
    Column("server", Text, primary_key=True),
    Column("peer", Text, nullable=False),
    Column("is_well", Boolean, nullable=False),
    Column("since", Double),
    Column("next_try_at", Double),
    Column("cause", Text, nullable=False),
    Column("status", Integer),
)
