"""What a target confirmed: studies, Patients and Endpoints, and what we wrote into each."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection, Table, delete, select, update

from indexer.ledger import schema
from indexer.ledger.database import chunks, upsert
from indexer.model import EndpointState, Patient, Published, ResourceKey, Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement

_PUBLISHED = [schema.published.c[field.name] for field in dataclasses.fields(Published)]
_ENDPOINT = [schema.endpoint.c[field.name] for field in dataclasses.fields(EndpointState)]
_PATIENT = [schema.patient.c[field.name] for field in dataclasses.fields(Patient)]


def published(
    transaction: Connection, target_id: int | None, study_instance_uids: Sequence[str]
) -> dict[str, Published]:
    """Studies that the target confirmed, by StudyInstanceUID."""
    table = schema.published.c
    found: dict[str, Published] = {}
    for some in chunks(study_instance_uids):
        query = select(*_PUBLISHED).where(table.target_id == target_id, table.study_instance_uid.in_(some))
        for row in transaction.execute(query).mappings():
            one = Published(**row)
            found[one.study_instance_uid] = one
    return found


def published_uids(transaction: Connection, target_id: int | None) -> frozenset[str]:
    """Every study that the target confirmed."""
    table = schema.published.c
    return frozenset(transaction.scalars(select(table.study_instance_uid).where(table.target_id == target_id)))


def put_published(transaction: Connection, target_id: int, published: Sequence[Published], now: float) -> None:
    """Record studies that the target confirmed; `now` where they do not say when."""
    rows = [dataclasses.asdict(one) | {"target_id": target_id} for one in published]
    put(transaction, schema.published, [row | {"published_at": row["published_at"] or now} for row in rows])


def patients(transaction: Connection, target_id: int | None, patient_keys: Sequence[str]) -> Mapping[str, Patient]:
    """Patients that the target confirmed, by key."""
    table = schema.patient.c
    found: dict[str, Patient] = {}
    for some in chunks(patient_keys):
        query = select(*_PATIENT).where(table.target_id == target_id, table.patient_key.in_(some))
        for row in transaction.execute(query).mappings():
            names = tuple(orjson.loads(row["names"]))
            one = Patient(**{**row, "names": names})
            found[one.patient_key] = one
    return found


def put_patients(transaction: Connection, target_id: int, patients: Sequence[Patient]) -> None:
    """Record Patients that the target confirmed."""
    rows = [dataclasses.asdict(one) | {"target_id": target_id} for one in patients]
    put(transaction, schema.patient, [row | {"names": orjson.dumps(row["names"]).decode()} for row in rows])


def forget_patients(transaction: Connection, target_id: int | None, patient_keys: Sequence[str]) -> None:
    """Patients that the target holds no longer."""
    table = schema.patient.c
    for some in chunks(patient_keys):
        gone = delete(schema.patient).where(table.target_id == target_id, table.patient_key.in_(some))
        transaction.execute(gone)


def record_pending(
    transaction: Connection, target_id: int, bodies: Mapping[ResourceKey, bytes]
) -> dict[ResourceKey, Written]:
    """Record what is about to be sent; what was written before."""
    before = _written(transaction, target_id, bodies)
    rows = [
        {"target_id": target_id, "resource_type": key.type, "key": key.key, "pending": body}
        for key, body in bodies.items()
    ]
    put(transaction, schema.written, rows)
    return before


def _written(transaction: Connection, target_id: int, keys: Iterable[ResourceKey]) -> dict[ResourceKey, Written]:
    table = schema.written.c
    written: dict[ResourceKey, Written] = {}
    for kind, names in _by_type(keys):
        query = select(table.key, table.confirmed, table.pending)
        for row in transaction.execute(query.where(*_are_written(target_id, kind, names))):
            written[ResourceKey(kind, row.key)] = Written(confirmed=row.confirmed, pending=row.pending)
    return written


def confirm_written(transaction: Connection, target_id: int, keys: Iterable[ResourceKey]) -> None:
    """What was about to be sent is what the target holds of us."""
    table = schema.written.c
    for kind, names in _by_type(keys):
        sent = update(schema.written).where(*_are_written(target_id, kind, names), table.pending.is_not(None))
        transaction.execute(sent.values(confirmed=table.pending, pending=None))


def _by_type(keys: Iterable[ResourceKey]) -> Iterator[tuple[str, Sequence[str]]]:
    """Keys in pieces of one resource type."""
    for kind, group in itertools.groupby(sorted(keys), key=lambda key: key.type):
        for names in chunks([key.key for key in group]):
            yield kind, names


def _are_written(target_id: int, kind: str, names: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
    table = schema.written.c
    return table.target_id == target_id, table.resource_type == kind, table.key.in_(names)


def endpoint(transaction: Connection, target_id: int | None, source: str) -> EndpointState | None:
    """A source's Endpoint as the target holds it."""
    table = schema.endpoint.c
    query = select(*_ENDPOINT).where(table.target_id == target_id, table.source == source)
    row = transaction.execute(query).mappings().one_or_none()
    return None if row is None else EndpointState(**row)


def endpoint_id(transaction: Connection, source: str) -> str | None:
    """Id that a source's Endpoint bears at any target."""
    kept: str | None = transaction.scalar(select(schema.source.c.endpoint_id).where(schema.source.c.name == source))
    return kept


def put_endpoint(transaction: Connection, target_id: int, state: EndpointState) -> None:
    """Record a source's Endpoint as the target holds it; its id holds at every target."""
    put(transaction, schema.source, [{"name": state.source, "endpoint_id": state.fhir_id}])
    put(transaction, schema.endpoint, [dataclasses.asdict(state) | {"target_id": target_id}])
    confirm_written(transaction, target_id, [ResourceKey("Endpoint", state.source)])


def put(transaction: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Write rows by their keys; columns that are not named keep their values."""
    if not rows:
        return
    row = upsert(transaction, table)
    keys = [column.name for column in table.primary_key]
    values = {name: row.excluded[name] for name in rows[0] if name not in keys}
    transaction.execute(row.on_conflict_do_update(index_elements=keys, set_=values), rows)
