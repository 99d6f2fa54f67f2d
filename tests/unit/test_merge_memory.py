"""What we wrote last comes back from the ledger as it was, and small."""

from __future__ import annotations

import zlib

import orjson
import pytest

from indexer import mapping
from indexer.errors import LedgerError
from indexer.merge import Conflict, merge, pack, unpack
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
