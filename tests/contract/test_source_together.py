"""Several studies read at one go are what each of them is alone, on the fake and on the real Orthancs."""

from collections.abc import Mapping

import pytest
from pydicom.dataset import Dataset

from indexer.model import Study, StudyLocation
from tests.contract.source_cases import (
    CHANGES,
    UNKNOWN,
    Case,
    ReleaseEncoding,
    changes_of,
    on_modern,
    shape_of_datasets,
    shape_of_study,
)
from tests.samples import generate


def stored(case: Case, sizes: dict[str, int]) -> dict[str, list[Dataset]]:
    """Studies of two series, with so many instances in each; datasets by StudyInstanceUID."""
    made = [generate(series=2, instances=each, seed=seed) for seed, each in sizes.items()]
    case.store([one for datasets in made for one in datasets])
    return {str(datasets[0].StudyInstanceUID): datasets for datasets in made}


def test_what_is_read_together_is_what_is_read_alone(case: Case) -> None:
    """1.10 cannot, and says so by reading none."""
    stored(case, {"a": 1, "b": 3, "c": 2})
    locations = case.locations()

    found = case.source.read_batch(locations)

    assert set(found) == (set(locations) if case.is_modern else set())
    assert found == {location: case.source.read(location) for location in found}


@on_modern
@pytest.mark.parametrize(("page_size", "pages"), [(100, 1), (12, 1), (11, 2), (6, 2)])
def test_reading_together_costs_two_requests_and_the_pages(page_size: int, pages: int, case: Case) -> None:
    expected = stored(case, {"a": 1, "b": 2, "c": 3})
    case.page_size = page_size
    source, locations = (
        case.source,
        sorted(case.locations(), key=lambda location: len(expected[location.study_instance_uid])),
    )
    source.ping()
    source.read_batch(locations)
    case.transport.paths.clear()

    found = source.read_batch(locations)

    assert case.transport.paths == ["/tools/find"] * (2 + pages)
    assert {location.study_instance_uid for location in found} == set(expected)


@on_modern
def test_a_large_study_is_left_for_later(case: Case) -> None:
    expected = stored(case, {"a": 1, "b": 5, "c": 2})
    case.page_size = 9

    found = case.source.read_batch(case.locations())

    assert shapes(found) == {uid: shape_of_datasets(one) for uid, one in expected.items() if len(one) < 10}


@on_modern
@pytest.mark.parametrize(
    "settings",
    [
        {"LimitFindInstances": 3},
        {"LimitFindResults": 1},
        {"LimitFindResults": 4},
        {"LimitFindInstances": 5, "LimitFindResults": 3},
    ],
    ids=str,
)
def test_what_orthanc_cuts_off_is_left_for_later(case: Case) -> None:
    expected = stored(case, {"a": 1, "b": 2, "c": 3})

    found = shapes(case.source.read_batch(case.locations()))

    assert len(found) < 3
    assert found == {uid: shape_of_datasets(expected[uid]) for uid in found}


@on_modern
def test_one_study_alone_and_one_that_is_gone(case: Case) -> None:
    stored(case, {"a": 1, "b": 1})
    first, second = case.locations()

    assert case.source.read_batch([first]) == {}
    gone = StudyLocation("main", UNKNOWN, "1.2.3")
    assert set(case.source.read_batch([first, gone, second])) == {first, second}


@on_modern
def test_one_uid_under_two_patients_stays_two_studies(case: Case) -> None:
    mine, other = generate(seed="a", PatientID="ONE"), generate(seed="b", PatientID="TWO")
    for one in other:
        one.StudyInstanceUID = mine[0].StudyInstanceUID
    case.store([*mine, *other])
    locations = case.locations()

    found = case.source.read_batch(locations)

    assert len(locations) == len(found) == 2
    assert {study.attributes.text("PatientID") for study in found.values()} == {"ONE", "TWO"}
    assert found == {location: case.source.read(location) for location in locations}


@on_modern
@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("what", CHANGES)
def test_a_study_that_changes_meanwhile_is_never_torn(what: str, before: int, case: Case) -> None:
    expected = stored(case, {"torn": 3, "quiet": 3})
    torn, quiet = expected.values()
    act, left = changes_of(case, torn, "torn")[what]
    case.page_size = 9
    locations, source = case.locations(), case.source
    source.read_batch(locations)
    case.transport.act_before(before, act)

    found = shapes(source.read_batch(locations))

    assert case.transport.has_acted
    assert found[str(quiet[0].StudyInstanceUID)] == shape_of_datasets(quiet)
    possible = [None, shape_of_datasets(left), *([shape_of_datasets(torn)] if before else [])]
    assert found.get(str(torn[0].StudyInstanceUID)) in possible


def shapes(found: Mapping[StudyLocation, Study]) -> dict[str, ReleaseEncoding]:
    return {location.study_instance_uid: shape_of_study(study) for location, study in found.items()}
