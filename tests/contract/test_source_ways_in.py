"""However a study comes in, the same study is read: C-STORE, STOW-RS, Orthanc's own API."""

from collections.abc import Callable, Iterator

import pytest

from indexer.orthanc import OrthancSource
from indexer.transport import Transport
from tests.contract.source_cases import shape_of_datasets, shape_of_study
from tests.samples import by_turns, generate, store_dimse, store_rest, store_stow
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
