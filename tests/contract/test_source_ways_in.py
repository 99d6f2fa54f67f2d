"""However a study comes in, the same study is read: C-STORE, STOW-RS, Orthanc's own API."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import requests

from indexer.orthanc import OrthancSource
from indexer.transport import Transport
from tests.contract.source_cases import shape_of_datasets, shape_of_study
from tests.samples import (
    by_turns,
    demo_studies,
    generate,
    late_study,
    public_files,
    store_dimse,
    store_files,
    store_rest,
    store_stow,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.orthanc import Orthanc


@pytest.fixture
def source(orthanc: Orthanc) -> Iterator[OrthancSource]:
    transport = Transport(orthanc.url, peer="orthanc main")
    yield OrthancSource(transport, "main", page_size=100)
    transport.close()


@pytest.mark.parametrize("store", [store_rest, store_stow, store_dimse])
def test_every_way_in_leads_to_the_same_study(
    store: Callable[..., object], orthanc: Orthanc, source: OrthancSource
) -> None:
    datasets = generate(series=3, instances=10, modality=["CT", "MR", "SR"])

    store(orthanc, datasets)

    (location,) = source.list_locations()
    assert shape_of_study(source.read(location)) == shape_of_datasets(datasets)


def test_interleaved_series_over_two_associations(orthanc: Orthanc, source: OrthancSource) -> None:
    datasets = by_turns(generate(series=3, instances=10))
    assert len({one.SeriesInstanceUID for one in datasets[:3]}) == 3

    store_dimse(orthanc, datasets, associations=2)

    (location,) = source.list_locations()
    assert shape_of_study(source.read(location)) == shape_of_datasets(datasets)


def test_the_demo_and_its_late_study(orthanc: Orthanc, source: OrthancSource) -> None:
    datasets = [*demo_studies(), *late_study()]
    store_rest(orthanc, datasets)

    studies = [source.read(location) for location in source.list_locations()]

    assert len(studies) == len({one.StudyInstanceUID for one in datasets}) == 33
    assert sum(one.number_of_instances for one in studies) == len(datasets)
    assert len({series.attributes.text("Modality") for one in studies for series in one.series}) >= 6


def test_public_files_are_read_whole(orthanc: Orthanc, source: OrthancSource) -> None:
    assert store_files(orthanc, public_files()) > 200

    studies = [source.read(location) for location in source.list_locations()]

    assert len(studies) == len(requests.get(f"{orthanc.url}/studies", timeout=10).json()) > 40
    counts = Counter(bool(study.attributes.text("PatientID")) for study in studies)
    assert counts[False] >= 10
    assert all(series.instances for study in studies for series in study.series)
