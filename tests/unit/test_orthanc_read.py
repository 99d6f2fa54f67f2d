"""Reading a study where Orthanc misbehaves as no real one does on demand."""

from collections.abc import Callable
from typing import Any

import pytest

from indexer import errors
from indexer.orthanc import OrthancSource
from tests.fakes.orthanc import FakeOrthanc
from tests.samples import generate, store_rest
from tests.unit.orthanc_source import edited, only_copy


def paths(fake: FakeOrthanc) -> list[str]:
    found = [path for _, path in fake.requests]
    fake.requests.clear()
    return found


def test_what_orthanc_can_do_is_asked_every_five_minutes(
    fake: FakeOrthanc, connect: Callable[..., OrthancSource]
) -> None:
    now = [0.0]
    source = connect(fake.url, clock=lambda: now[0])
    store_rest(fake, generate())
    location = only_copy(source)
    counts = []
    for moment in (0.0, 299.0, 300.0, 301.0, 700.0):
        now[0] = moment
        paths(fake)
        source.read(location)
        counts.append(paths(fake).count("/system"))

    assert counts == [1, 0, 1, 0, 1]


@pytest.mark.parametrize("said", [{}, {"Capabilities": None}, {"Capabilities": {"HasExtendedFind": "true"}}])
def test_find_is_used_only_where_it_is_promised(
    said: dict[str, object], fake: FakeOrthanc, source: OrthancSource
) -> None:
    store_rest(fake, generate())
    fake.inject(edited(lambda found: (found.pop("Capabilities"), found.update(said))), path="/system")

    assert source.read(only_copy(source)).number_of_instances == 1
    assert "/tools/find" not in paths(fake)


def test_an_older_orthanc_takes_the_place_of_a_newer_one(fake: FakeOrthanc, source: OrthancSource) -> None:
    """ParentStudy is ignored then, and instances of other studies come back."""
    store_rest(fake, generate())
    location = only_copy(source)
    source.read(location)
    foreign = {"ID": "x", "ParentSeries": "of another study", "MainDicomTags": {"0008,0018": "1.2"}}
    fake.inject(edited(lambda found: found.insert(0, foreign)), path="/tools/find")

    with pytest.raises(errors.StudyChanging):
        source.read(location)
    paths(fake)
    assert source.read(location).number_of_instances == 1
    assert "/system" in paths(fake)


def test_an_instance_without_its_class_is_kept(fake: FakeOrthanc, source: OrthancSource) -> None:
    store_rest(fake, generate())
    fake.inject(edited(lambda found: found[0].pop("Metadata")), path="/tools/find")

    (instance,) = source.read(only_copy(source)).series[0].instances

    assert instance.sop_class_uid is None
    assert instance.instance_number == "1"


def test_sequences_in_the_database_are_read(fake: FakeOrthanc, source: OrthancSource) -> None:
    """RequestAttributesSequence is a main DICOM tag from 1.12.5 on."""
    store_rest(fake, generate())
    requested = [{"0040,1001": "RP-1", "0032,1064": [{"0008,0100": "CTABD", "0008,0104": ""}]}]
    tags = {"0040,0275": requested, "0099,1001": "private", "0018,0015": ["HEAD"], "0008,1070": "A^B\\\\C^D"}
    at_the_end(fake, lambda found: found[0]["MainDicomTags"].update(tags))
    location = next(source.list_locations())

    attributes = source.read(location).series[0].attributes

    item = attributes.item("RequestAttributesSequence")
    assert item.text("RequestedProcedureID") == "RP-1"
    assert item.item("RequestedProcedureCodeSequence").text("CodeValue") == "CTABD"
    assert item.item("RequestedProcedureCodeSequence").values("CodeMeaning") == []
    assert attributes.values("OperatorsName") == ["A^B", None, "C^D"]
    assert attributes.json["00991001"]["vr"] == "UN"


@pytest.mark.parametrize(
    ("path", "edit"),
    [
        ("/tools/find", lambda found: found[0].pop("ID")),
        ("/tools/find", lambda found: found[0].pop("ParentSeries")),
        ("/tools/find", lambda found: found[0].pop("MainDicomTags")),
        ("/tools/find", lambda found: found[0]["MainDicomTags"].pop("0008,0018")),
        ("/tools/find", lambda found: found[0]["MainDicomTags"].update({"0008,0018": 5})),
        ("/studies/", lambda found: found.pop("Series")),
        ("/studies/", lambda found: found["MainDicomTags"].pop("0020,000d")),
        ("/studies/", lambda found: found["MainDicomTags"].update({"0020,000d": "1.2.3"})),
    ],
)
def test_a_study_that_is_told_brokenly(
    path: str, edit: Callable[[Any], object], fake: FakeOrthanc, source: OrthancSource
) -> None:
    store_rest(fake, generate())
    location = only_copy(source)
    fake.inject(edited(edit), path=path)

    with pytest.raises(errors.ProtocolViolation):
        source.read(location)


LATER = "20990101T000000"


def at_the_end(fake: FakeOrthanc, edit: Callable[[Any], object]) -> None:
    """Change the second answer of ``/tools/find`` from now: the series, as the last request tells them."""
    fake.inject(lambda reply: reply, path="/tools/find")
    fake.inject(edited(edit), path="/tools/find")


def in_doubt(fake: FakeOrthanc) -> None:
    """Have the end asked for by id: a series seems to be later than its study."""
    at_the_end(fake, lambda found: found[0]["Metadata"].update(LastUpdate=LATER))


@pytest.mark.parametrize(
    "edit",
    [
        lambda found: found[0].pop("ID"),
        lambda found: found[0].pop("Instances"),
        lambda found: found[0].update(Instances=[5]),
        lambda found: found[0].pop("Metadata"),
        lambda found: found[0].update(MainDicomTags="x"),
    ],
)
def test_series_that_are_told_brokenly(edit: Callable[[Any], object], fake: FakeOrthanc, source: OrthancSource) -> None:
    store_rest(fake, generate())
    location = only_copy(source)
    at_the_end(fake, edit)

    with pytest.raises(errors.ProtocolViolation):
        source.read(location)


@pytest.mark.parametrize(
    "edit",
    [
        lambda found: [one.pop("Type") for one in found],
        lambda found: [one.pop("Instances", None) for one in found],
        lambda found: [one.update(Instances=[5]) for one in found],
        lambda found: [one.update(MainDicomTags="x") for one in found],
    ],
)
def test_an_end_that_is_told_brokenly_by_id(
    edit: Callable[[Any], object], fake: FakeOrthanc, source: OrthancSource
) -> None:
    store_rest(fake, generate())
    location = only_copy(source)
    in_doubt(fake)
    fake.inject(edited(edit), path="/tools/bulk-content")

    with pytest.raises(errors.ProtocolViolation):
        source.read(location)


def test_series_that_a_clock_ahead_touched_are_asked_for_by_id(fake: FakeOrthanc, source: OrthancSource) -> None:
    """Several Orthancs on one database: a series may be later than its study for ever, and nothing moves."""
    store_rest(fake, generate(series=2))
    location = only_copy(source)
    in_doubt(fake)
    paths(fake)

    assert source.read(location).number_of_instances == 2
    assert [path for path in paths(fake) if "/studies/" not in path][-2:] == ["/tools/find", "/tools/bulk-content"]


@pytest.mark.parametrize(
    "edit",
    [
        lambda found: [one.update(LastUpdate=LATER) for one in found if one["Type"] == "Study"],
        lambda found: [one.update(Series=["other"]) for one in found if one["Type"] == "Study"],
        lambda found: [one.update(Instances=[]) for one in found if one["Type"] == "Series"],
    ],
)
def test_a_study_that_moved_before_the_last_request(
    edit: Callable[[Any], object], fake: FakeOrthanc, source: OrthancSource
) -> None:
    store_rest(fake, generate())
    location = only_copy(source)
    in_doubt(fake)
    fake.inject(edited(edit), path="/tools/bulk-content")

    with pytest.raises(errors.StudyChanging):
        source.read(location)


def test_orthanc_says_null_for_what_is_gone(fake: FakeOrthanc, source: OrthancSource) -> None:
    store_rest(fake, generate())
    fake.inject(edited(lambda found: found.append(None)), path="/tools/bulk-content")

    assert only_copy(source).source == source.name == "main"


def untimed(found: dict[str, Any]) -> None:
    """Take out when the resource moved last."""
    found.pop("LastUpdate", None)
    found.get("Metadata", {}).pop("LastUpdate", None)


def test_a_source_without_last_update(fake: FakeOrthanc, source: OrthancSource) -> None:
    store_rest(fake, generate())
    location = only_copy(source)
    at_the_end(fake, lambda found: [untimed(one) for one in found])
    fake.inject(edited(lambda found: [untimed(one) for one in found]), path="/tools/bulk-content")
    fake.inject(edited(untimed), path="/studies/")

    assert source.read(location).last_update is None
