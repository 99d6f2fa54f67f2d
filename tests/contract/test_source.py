"""What every source must do for us: each Orthanc, and the archives in memory, one of which can only be listed."""

import pytest

from indexer.errors import StudyVanished
from indexer.model import FeedPage, FeedPosition, StudyLocation
from tests.contract.source_cases import KINDS, UNKNOWN, Archive, shape_of_datasets, shape_of_study
from tests.samples import by_turns, generate, instance
from tests.site import wait_for


def test_ping_tells_a_version(archive: Archive) -> None:
    assert archive.source.ping()


def test_an_empty_archive(archive: Archive) -> None:
    assert list(archive.source.list_locations()) == []
    assert archive.source.find("1.2.3") == ()
    assert archive.source.study_attributes([]) == archive.source.modalities([]) == {}
    assert not archive.source.holds(UNKNOWN)
    with pytest.raises(StudyVanished):
        archive.source.read(StudyLocation("main", UNKNOWN, "1.2.3"))


def test_studies_are_listed_in_the_order_of_their_location_ids(archive: Archive) -> None:
    datasets = generate(studies=4, series=2)
    archive.store(datasets)

    locations = list(archive.source.list_locations())

    assert {location.study_instance_uid for location in locations} == {one.StudyInstanceUID for one in datasets}
    assert {location.source for location in locations} == {"main"}
    assert [location.location_id for location in locations] == sorted({one.location_id for one in locations})
    for place, location in enumerate(locations):
        assert list(archive.source.list_locations(location.location_id)) == locations[place + 1 :]
        assert archive.source.find(location.study_instance_uid) == (location,)


def test_what_is_gone_is_left_out(archive: Archive) -> None:
    datasets = generate(studies=2)
    archive.store(datasets)
    gone, stays = (archive.location_of(dataset) for dataset in datasets)

    archive.delete(datasets[0], "studies")

    ids = [gone.location_id, stays.location_id]
    assert list(archive.source.list_locations()) == [stays]
    assert [archive.source.holds(one) for one in ids] == [False, True]
    assert list(archive.source.study_attributes(ids)) == list(archive.source.modalities(ids)) == [stays.location_id]
    assert archive.source.find(gone.study_instance_uid) == ()
    with pytest.raises(StudyVanished):
        archive.source.read(gone)


def test_attributes_and_modalities_of_many_studies(archive: Archive) -> None:
    datasets = generate(studies=2, series=2, modality=["CT", "SR", "MR"], PatientName="Å^B=山^田")
    archive.store(datasets)
    ids = [location.location_id for location in archive.source.list_locations()]

    attributes = archive.source.study_attributes([*ids, UNKNOWN])
    modalities = archive.source.modalities([*ids, UNKNOWN])

    assert set(attributes) == set(modalities) == set(ids)
    for dataset in datasets:
        location_id = archive.location_of(dataset).location_id
        assert attributes[location_id].text("StudyDate") == dataset.StudyDate
        assert attributes[location_id].text("PatientID") == dataset.PatientID
        assert attributes[location_id].person_names("PatientName")[0].ideographic == "山^田"
        assert dataset.Modality in modalities[location_id]
    assert sorted(map(len, modalities.values())) == [2, 2]


def test_a_study_is_read_whole(archive: Archive) -> None:
    datasets = generate(series=3, instances=4, modality=["CT", "MR", "SR"])
    datasets[0].NumberOfFrames = 7
    del datasets[1].InstanceNumber
    archive.store(by_turns(datasets))

    study = archive.source.read(archive.location_of(datasets[0]))

    assert shape_of_study(study) == shape_of_datasets(datasets)
    assert (study.study_instance_uid, study.source) == (datasets[0].StudyInstanceUID, "main")
    assert study.number_of_instances == 12
    assert study.last_update is not None
    assert study.attributes.text("AccessionNumber") == datasets[0].AccessionNumber
    assert study.attributes.text("PatientBirthDate") == "19700101"
    by_number = sorted(study.series, key=lambda one: int(one.attributes.text("SeriesNumber") or 0))
    assert [one.attributes.text("Modality") for one in by_number] == ["CT", "MR", "SR"]
    assert (study.is_sampled, [one.sampled for one in study.series]) == (False, [{}, {}, {}])
    assert [one.series_instance_uid for one in study.series] == sorted(one.series_instance_uid for one in study.series)
    for series in study.series:
        uids = [one.sop_instance_uid for one in series.instances]
        assert uids == sorted(uids)


def test_a_study_that_changed_is_read_as_it_is_now(archive: Archive) -> None:
    datasets = generate(series=2, instances=2)
    archive.store(datasets)
    archive.source.read(archive.location_of(datasets[0]))
    archive.delete(datasets[0], "instances")
    more = instance("sample", 0, 5, 0, PatientID=datasets[0].PatientID)
    archive.store([more])

    study = archive.source.read(archive.location_of(more))

    assert shape_of_study(study) == shape_of_datasets([*datasets[1:], more])


# --- the feed of a source that has one ------------------------------------------------------------------------------


of_those_with_a_feed = pytest.mark.parametrize("archive", [*KINDS, "memory"], indirect=True)


def followed(archive: Archive, position: FeedPosition) -> tuple[set[str], FeedPosition]:
    """What changed after a position, read until there is no more, and the position then."""
    assert archive.feed is not None
    studies: set[str] = set()
    while True:
        pages = list(archive.feed.pages(position, lambda: True))
        studies |= {location.study_instance_uid for page in pages for location in page.locations}
        position = pages[-1].position
        if sum(page.count for page in pages) == 0:
            assert pages == [FeedPage(position=position)]
            return studies, position


@of_those_with_a_feed
@pytest.mark.parametrize("page_size", [1, 3, 1000])
def test_a_feed_tells_what_changed_after_a_position(page_size: int, archive: Archive) -> None:
    first, second = generate(studies=2)
    archive.page_size = page_size
    archive.store([first])
    studies, position = followed(archive, FeedPosition())
    assert (studies, position.epoch) == ({first.StudyInstanceUID}, 1)
    end = archive.feed.end()
    assert end.reached >= position.reached

    archive.store([second])
    assert second.StudyInstanceUID in followed(archive, position)[0]
    assert followed(archive, end)[0] <= {first.StudyInstanceUID, second.StudyInstanceUID}
    assert followed(archive, FeedPosition())[0] == {first.StudyInstanceUID, second.StudyInstanceUID}


@of_those_with_a_feed
@pytest.mark.parametrize("page_size", [3, 1000])
def test_whoever_lists_after_a_position_is_not_told_again_of_what_could_be_seen(
    page_size: int, archive: Archive
) -> None:
    assert archive.feed is not None
    gone, first, second = generate(studies=3)
    archive.page_size = page_size
    archive.store([first, gone])
    archive.delete(gone, "studies")

    def changed_after(position: FeedPosition) -> set[str]:
        pages = archive.feed.pages(position, lambda: True)
        return {location.study_instance_uid for page in pages for location in page.locations}

    # An Orthanc logs by itself that its studies are stable.
    wait_for(lambda: not changed_after(archive.feed.end(has_overlap=True)), "the archive to be idle")
    start = archive.feed.end(has_overlap=True)
    archive.store([second])
    assert changed_after(start) == {second.StudyInstanceUID}


@of_those_with_a_feed
def test_a_feed_tells_when_a_study_is_quiet_and_how_old_a_change_is(archive: Archive) -> None:
    (dataset,) = generate()
    archive.store([dataset])
    location_id = archive.location_of(dataset).location_id

    def is_quiet() -> bool:
        pages = list(archive.feed.pages(FeedPosition(), lambda: True))
        assert all(0 <= page.age_s < 60 for page in pages)
        return any(location_id in page.quiet for page in pages)

    wait_for(is_quiet, "the study to be quiet")
