"""What we wrote last comes back from the ledger as it was, and small."""

import zlib
from typing import Any

import orjson
import pytest

from indexer import mapping
from indexer.errors import LedgerError
from indexer.merge import Conflict, last_written, merge, pack, unpack
from indexer.model import Written
from tests.unit.mapping.studies import STUDY_UID, instance, mapped, series, study

ROOT = f"{STUDY_UID}.20240102101112"


def of(count: int) -> mapping.Mapped:
    instances = tuple(instance(one, uid=f"{ROOT}.{one * 7919}") for one in range(1, count + 1))
    return mapped(study(None, series(instances=instances)))


@pytest.mark.parametrize("release", mapping.Release)
def test_a_resource_comes_back_as_it_was(release: mapping.Release) -> None:
    resource = mapped(release=release, elements=frozenset(mapping.Element)).imaging_study
    again = unpack(pack(orjson.dumps(resource)))
    assert again == resource
    assert not merge(again, resource, resource, Conflict.QUARANTINE).is_changed


def test_an_instance_costs_few_bytes() -> None:
    assert len(pack(orjson.dumps(of(2_000).imaging_study))) < 2_000 * 12


@pytest.mark.parametrize(
    "damaged", [b"", b"x", zlib.compress(b"{"), zlib.compress(b"[]"), pack(b'{"resourceType": "ImagingStudy"}')[:-1]]
)
def test_damaged_bytes_are_an_error_of_the_ledger(damaged: bytes) -> None:
    with pytest.raises(LedgerError):
        unpack(damaged)


OLD, NEW = ({"resourceType": "ImagingStudy", "id": "s", "description": text} for text in ("old", "new"))


def packed(resource: dict[str, str] | None) -> bytes | None:
    return None if resource is None else pack(orjson.dumps(resource))


@pytest.mark.parametrize(
    ("confirmed", "pending", "held", "last"),
    [
        (None, None, OLD, None),
        (OLD, None, OLD, OLD),
        (OLD, None, NEW, OLD),
        (OLD, NEW, OLD, OLD),
        (OLD, NEW, NEW, NEW),
        (OLD, NEW, {**NEW, "note": [{"text": "theirs"}]}, NEW),
        (None, NEW, OLD, None),
        (None, NEW, NEW, NEW),
    ],
)
def test_what_was_to_be_sent_counts_as_written_if_it_arrived(
    confirmed: Any, pending: Any, held: Any, last: Any
) -> None:
    written = Written(confirmed=packed(confirmed), pending=packed(pending))
    for conflict in Conflict:
        assert last_written(written, held, conflict) == last
