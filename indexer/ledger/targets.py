"""FHIR servers: what each one confirmed of studies, Patients and Endpoints, and what we wrote into them.

What one confirmed says nothing about another.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, delete, insert, select, update

from indexer.ledger import schema
from indexer.ledger.database import chunks, put
from indexer.ledger.schema import target
from indexer.model import EndpointState, Patient, Published, ResourceKey, Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement

    from indexer.ledger.database import Database

_DELETED_AT_ONCE = 5000
_PUBLISHED = [schema.published.c[field.name] for field in dataclasses.fields(Published)]
_ENDPOINT = [schema.endpoint.c[field.name] for field in dataclasses.fields(EndpointState)]
_PATIENT = [schema.patient.c[field.name] for field in dataclasses.fields(Patient)]
_KEYS = (
    schema.published.c.study_instance_uid,
    schema.patient.c.patient_key,
    schema.endpoint.c.source,
    schema.written.c.key,
)


def active(transaction: Connection, base_url: str) -> int | None:
    """Id of the active target at this address, None before anything was recorded of it.

    It is looked up anew in each transaction, so that a reset by another process counts at once.
    """
    query = select(target.c.target_id).where(target.c.base_url == base_url, target.c.is_active)
    target_id: int | None = transaction.scalar(query)
    return target_id


def begun(transaction: Connection, base_url: str) -> int:
    """Id of the active target at this address, which is made if there is none."""
    target_id = active(transaction, base_url)
    if target_id is None:
        values = {"base_url": base_url, "is_active": True, "capacities": {}}
        made = insert(target).values(values).returning(target.c.target_id)
        target_id = transaction.scalars(made).one()
    return target_id


def reset(database: Database, base_url: str) -> None:
    """Retire the active target of this address for a new one of which nothing is known."""
    for target_id in database.write(lambda transaction: _retire(transaction, base_url)):
        for key in _KEYS:
            while database.write(lambda transaction: _delete_some(transaction, key, target_id)):  # noqa: B023
                pass


def _retire(transaction: Connection, base_url: str) -> Sequence[int]:
    """Begin a new target at this address; every retired one."""
    transaction.execute(update(target).where(target.c.base_url == base_url).values(is_active=False))
    begun(transaction, base_url)
    return transaction.scalars(select(target.c.target_id).where(~target.c.is_active)).all()


def _delete_some(transaction: Connection, key: Column[Any], target_id: int) -> int:
    """Delete some rows of a retired target in a short transaction; how many. What a kill leaves goes next time."""
    table = key.table
    keys = select(key).where(table.c.target_id == target_id).limit(_DELETED_AT_ONCE)
    return transaction.execute(delete(table).where(table.c.target_id == target_id, key.in_(keys))).rowcount


def published(
    transaction: Connection, target_id: int | None, study_instance_uids: Sequence[str]
) -> dict[str, Published]:
    """What the present target confirmed, by StudyInstanceUID."""
    table = schema.published.c
    studies: list[Published] = []
    for uids in chunks(study_instance_uids):
        query = select(*_PUBLISHED).where(table.target_id == target_id, table.study_instance_uid.in_(uids))
        studies += [Published(**row) for row in transaction.execute(query).mappings()]
    return {study.study_instance_uid: study for study in studies}


def published_uids(transaction: Connection, target_id: int | None) -> frozenset[str]:
    """Every study that the present target confirmed."""
    table = schema.published.c
    return frozenset(transaction.scalars(select(table.study_instance_uid).where(table.target_id == target_id)))


def put_published(transaction: Connection, target_id: int, published: Sequence[Published], now: float) -> None:
    """Record studies that the target confirmed; `now` where they do not say when."""
    rows = [dataclasses.asdict(study) | {"target_id": target_id} for study in published]
    put(transaction, schema.published, [row | {"published_at": row["published_at"] or now} for row in rows])


def patients(transaction: Connection, target_id: int | None, patient_keys: Sequence[str]) -> dict[str, Patient]:
    """What the present target confirmed of Patients, by key."""
    table = schema.patient.c
    patients: list[Patient] = []
    for keys in chunks(patient_keys):
        query = select(*_PATIENT).where(table.target_id == target_id, table.patient_key.in_(keys))
        rows = transaction.execute(query).mappings()
        patients += [Patient(**{**row, "names": tuple(row["names"])}) for row in rows]
    return {patient.patient_key: patient for patient in patients}


def put_patients(transaction: Connection, target_id: int, recorded: Sequence[Patient]) -> None:
    """Record Patients that the target confirmed; what somebody decided about one meanwhile is kept."""
    present = patients(transaction, target_id, [patient.patient_key for patient in recorded])
    decided = {key for key, patient in present.items() if patient.decided_for}
    rows = [
        dataclasses.asdict(patient) | {"target_id": target_id}
        for patient in recorded
        if patient.decided_for or patient.patient_key not in decided
    ]
    put(transaction, schema.patient, rows)


def forget_patients(transaction: Connection, target_id: int | None, patient_keys: Sequence[str]) -> None:
    """The present target holds these Patients no longer."""
    table = schema.patient.c
    for keys in chunks(patient_keys):
        transaction.execute(delete(schema.patient).where(table.target_id == target_id, table.patient_key.in_(keys)))


def record_pending(
    transaction: Connection, target_id: int, bodies: Mapping[ResourceKey, bytes]
) -> dict[ResourceKey, Written]:
    """Record what is about to be sent to the present target, packed; what was written before."""
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


def capacities(transaction: Connection, target_id: int | None) -> dict[str, dict[str, Any]]:
    """How much the present target takes in one request, by kind of request, as far as it was learnt."""
    query = select(target.c.capacities).where(target.c.target_id == target_id)
    return transaction.scalar(query) or {}


def put_capacities(transaction: Connection, target_id: int, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Record how much the present target takes in one request."""
    transaction.execute(update(target).where(target.c.target_id == target_id).values(capacities=facts))


def endpoint(transaction: Connection, target_id: int | None, source: str) -> EndpointState | None:
    """A source's Endpoint as the present target holds it."""
    table = schema.endpoint.c
    query = select(*_ENDPOINT).where(table.target_id == target_id, table.source == source)
    row = transaction.execute(query).mappings().one_or_none()
    return None if row is None else EndpointState(**row)


def put_endpoint(transaction: Connection, target_id: int, state: EndpointState, endpoint_id: str) -> None:
    """Record a source's Endpoint as the present target holds it, and the UUID that identifies it at every target."""
    put(transaction, schema.source, [{"name": state.source, "endpoint_id": endpoint_id}])
    put(transaction, schema.endpoint, [dataclasses.asdict(state) | {"target_id": target_id}])
    confirm_written(transaction, target_id, [ResourceKey("Endpoint", state.source)])
