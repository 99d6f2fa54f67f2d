"""Several studies read at one go are what each of them is alone, on the fake and on the real Orthancs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from indexer.model import StudyLocation
from tests.contract.source_cases import (
    CHANGES,
    KINDS,
    UNKNOWN,
    Case,
    ReleaseEncoding,
    changes_of,
    running,
    shape_of_datasets,
    shape_of_study,
)
from tests.samples import generate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydicom.dataset import Dataset

    from indexer.model import Study

MODERN = [kind for kind in KINDS if not kind.endswith("1.10")]


@pytest.fixture(params=MODERN)
def modern(request: pytest.FixtureRequest) -> Iterator[Case]:
    with running(request.param) as found:
        yield found


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


@pytest.mark.parametrize(("page_size", "pages"), [(100, 1), (12, 1), (11, 2), (6, 2)])
def test_reading_together_costs_two_requests_and_the_pages(page_size: int, pages: int, modern: Case) -> None:
    expected = stored(modern, {"a": 1, "b": 2, "c": 3})
    modern.page_size = page_size
    source, locations = (
        modern.source,
        sorted(modern.locations(), key=lambda location: len(expected[location.study_instance_uid])),
    )
    source.ping()
    source.read_batch(locations)
    modern.transport.paths.clear()

    found = source.read_batch(locations)

    assert modern.transport.paths == ["/tools/find"] * (2 + pages)
    assert {location.study_instance_uid for location in found} == set(expected)


def test_a_large_study_is_left_for_later(modern: Case) -> None:
    expected = stored(modern, {"a": 1, "b": 5, "c": 2})
    modern.page_size = 9

    found = modern.source.read_batch(modern.locations())

    assert shapes(found) == {uid: shape_of_datasets(one) for uid, one in expected.items() if len(one) < 10}


@pytest.mark.parametrize(("instances", "results"), [(3, 0), (0, 1), (0, 4), (5, 3)])
def test_what_orthanc_cuts_off_is_left_for_later(instances: int, results: int) -> None:
    for kind in MODERN:
        with running(kind, LimitFindInstances=instances, LimitFindResults=results) as case:
            expected = stored(case, {"a": 1, "b": 2, "c": 3})

            found = shapes(case.source.read_batch(case.locations()))

            assert len(found) < 3, kind
            assert found == {uid: shape_of_datasets(expected[uid]) for uid in found}, kind


def test_one_study_alone_and_one_that_is_gone(modern: Case) -> None:
    stored(modern, {"a": 1, "b": 1})
    first, second = modern.locations()

    assert modern.source.read_batch([first]) == {}
    gone = StudyLocation("main", UNKNOWN, "1.2.3")
    assert set(modern.source.read_batch([first, gone, second])) == {first, second}


def test_one_uid_under_two_patients_stays_two_studies(modern: Case) -> None:
    mine, other = generate(seed="a", PatientID="ONE"), generate(seed="b", PatientID="TWO")
    for one in other:
        one.StudyInstanceUID = mine[0].StudyInstanceUID
    modern.store([*mine, *other])
    locations = modern.locations()

    found = modern.source.read_batch(locations)

    assert len(locations) == len(found) == 2
    assert {study.attributes.text("PatientID") for study in found.values()} == {"ONE", "TWO"}
    assert found == {location: modern.source.read(location) for location in locations}


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("what", CHANGES)
def test_a_study_that_changes_meanwhile_is_never_torn(what: str, before: int, modern: Case) -> None:
    expected = stored(modern, {"torn": 3, "quiet": 3})
    torn, quiet = expected.values()
    act, left = changes_of(modern, torn, "torn")[what]
    modern.page_size = 9
    locations, source = modern.locations(), modern.source
    source.read_batch(locations)
    modern.transport.act_before(before, act)

    found = shapes(source.read_batch(locations))

    assert modern.transport.has_acted
    assert found[str(quiet[0].StudyInstanceUID)] == shape_of_datasets(quiet)
    possible = [None, shape_of_datasets(left), *([shape_of_datasets(torn)] if before else [])]
    assert found.get(str(torn[0].StudyInstanceUID)) in possible


def shapes(found: Mapping[StudyLocation, Study]) -> dict[str, ReleaseEncoding]:
    return {location.study_instance_uid: shape_of_study(study) for location, study in found.items()}
