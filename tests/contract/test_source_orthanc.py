"""How an Orthanc does what `test_source` asks of every source, on the fake and on the real ones, 1.10 and 1.12."""

from collections.abc import Iterator

import pytest

from indexer.errors import ProtocolViolation, StudyChanging, StudyVanished
from indexer.orthanc.position import Change, ChangePage, Level
from tests.contract.source_cases import (
    CHANGES,
    UNKNOWN,
    Case,
    changes_of,
    on_real,
    shape_of_datasets,
    shape_of_study,
)
from tests.samples import generate, instance
from tests.site import wait_for

LIMITS = {"LimitFindInstances": 3, "LimitFindResults": 1}


def all_changes(case: Case, limit: int = 1000) -> list[Change]:
    return [change for page in pages(case, limit) for change in page.changes]


def pages(case: Case, limit: int) -> Iterator[ChangePage]:
    since = 0
    while True:
        page = case.source.changes(since, limit)
        yield page
        if page.done:
            return
        since = page.changes[-1].seq


def test_ping_tells_the_version(case: Case) -> None:
    assert case.source.ping() == case.orthanc.version


def test_an_empty_archive(case: Case) -> None:
    page = case.source.changes(0, 100)

    assert (page.changes, page.done, page.last) == ((), True, 0)
    assert case.source.locate({}) == ()
    assert case.source.newest_seq() == 0


def test_a_new_instance_speaks_at_every_level(case: Case) -> None:
    case.store(generate())

    page = case.source.changes(0, 100)

    assert [(one.change_type, one.level) for one in page.changes] == [
        ("NewInstance", Level.INSTANCE),
        ("NewSeries", Level.SERIES),
        ("NewStudy", Level.STUDY),
        ("NewPatient", Level.PATIENT),
    ]
    assert page.done
    assert page.last == page.changes[-1].seq
    assert page.changes[0].date <= case.source.server_time()


def test_pages_follow_each_other_without_a_gap(case: Case) -> None:
    case.store(generate(series=2, instances=3))

    found = list(pages(case, 4))

    assert [len(page.changes) for page in found[:-1]] == [4] * (len(found) - 1)
    seqs = [change.seq for page in found for change in page.changes]
    assert seqs == sorted(set(seqs))
    assert [one.seq for one in all_changes(case)][: len(seqs)] == seqs


def test_a_page_beyond_the_end_is_empty_and_tells_the_last_seq(case: Case) -> None:
    case.store(generate())
    last = all_changes(case)[-1].seq

    page = case.source.changes(last + 1000, 100)

    assert (page.changes, page.done) == ((), True)
    assert page.last >= last


def test_a_deletion_leaves_a_hole_and_no_word(case: Case) -> None:
    kept, gone = generate(studies=2)
    case.store([kept, gone, instance("later")])
    before = all_changes(case)

    case.delete(gone, "studies")

    after = [change.seq for change in all_changes(case)]
    lost = [change.seq for change in before if change.seq not in after]
    assert len(lost) == 4
    assert max(lost) < max(after)


def test_any_id_leads_to_its_study(case: Case) -> None:
    datasets = generate(studies=2, series=2, instances=2)
    case.store(datasets)
    expected = {one.StudyInstanceUID for one in datasets}

    for level in (Level.STUDY, Level.SERIES, Level.INSTANCE):
        ids = [one.orthanc_id for one in all_changes(case) if one.level is level]
        locations = case.source.locate(dict.fromkeys([*ids, UNKNOWN], level))
        assert {one.study_instance_uid for one in locations} == expected
        assert list(locations) == case.locations()


def test_many_ids_are_asked_for_in_chunks(case: Case) -> None:
    case.store(generate(instances=3))
    ids = [one.orthanc_id for one in all_changes(case) if one.level is Level.INSTANCE]
    unknown = [f"{number:08x}{UNKNOWN[8:]}" for number in range(400)]
    case.transport.paths.clear()

    locations = case.source.locate(dict.fromkeys([*ids, *unknown], Level.INSTANCE))

    assert len(locations) == 1
    bulk = ["/tools/bulk-content"]
    assert case.transport.paths == [*bulk * 3, *(f"/instances/{orthanc_id}" for orthanc_id in unknown), *bulk]


def test_an_id_that_is_none_gets_into_no_path(case: Case) -> None:
    with pytest.raises(ProtocolViolation):
        case.source.holds("../system")


def test_values_and_times_are_read_as_they_stand_in_the_database(case: Case) -> None:
    case.store(generate(OperatorsName=["A^B", "C^D"], StudyDescription="Über 5"))

    study = case.source.read(case.locations()[0])

    assert study.last_update is not None
    assert study.last_update <= case.source.server_time()
    assert study.attributes.text("StudyDescription") == "Über 5"
    assert study.series[0].attributes.texts("OperatorsName") == ("A^B", "C^D")


@pytest.mark.parametrize(("instances", "expected"), [(1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_a_read_costs_two_requests_and_the_pages(instances: int, expected: int, case: Case) -> None:
    datasets = generate(instances=instances)
    case.store(datasets)
    case.page_size = 4
    source, location = case.source, case.locations()[0]
    source.read(location)
    case.transport.paths.clear()

    assert shape_of_study(source.read(location)) == shape_of_datasets(datasets)
    assert len(case.transport.paths) == 2 + expected
    assert ("/tools/find" in case.transport.paths) == case.is_modern


@pytest.mark.parametrize("settings", [{"LimitFindInstances": 3}, {"LimitFindResults": 1}, LIMITS], ids=str)
def test_what_orthanc_cuts_off_is_asked_for_by_id(case: Case) -> None:
    datasets = generate(series=2, instances=5)
    case.store(datasets)
    case.page_size = 4

    assert shape_of_study(case.source.read(case.locations()[0])) == shape_of_datasets(datasets)


@pytest.mark.parametrize("before", range(5))
@pytest.mark.parametrize("what", CHANGES)
def test_a_study_that_changes_while_it_is_read_is_never_torn(what: str, before: int, case: Case) -> None:
    datasets = generate(series=2, instances=5, seed="torn")
    case.store(datasets)
    case.page_size = 4
    act, left = changes_of(case, datasets, "torn")[what]
    location, source = case.locations()[0], case.source
    source.read(location)
    case.transport.act_before(before, act)

    try:
        found = shape_of_study(source.read(location))
    except StudyVanished:
        assert not left
    except StudyChanging:
        assert before > 0
    else:
        assert found == shape_of_datasets(left) or (before > 0 and found == shape_of_datasets(datasets))
    assert case.transport.has_acted


@on_real
@pytest.mark.parametrize("settings", [{"OverwriteInstances": True}], ids=str)
@pytest.mark.parametrize("before", [1, 2])
def test_an_instance_that_is_replaced_while_its_study_is_read(before: int, case: Case) -> None:
    """Its id stays, and so do all lists; only LastUpdate tells it, which has seconds."""
    datasets = generate(series=2, instances=3)
    case.store(datasets)
    location, source = case.locations()[0], case.source
    last_update = source.read(location).last_update or ""
    wait_for(lambda: source.server_time() > last_update, "another second")
    datasets[0].InstanceNumber = 77
    case.transport.act_before(before, lambda: case.store(datasets[:1]))

    with pytest.raises(StudyChanging):
        source.read(location)
    assert shape_of_study(source.read(location)) == shape_of_datasets(datasets)
