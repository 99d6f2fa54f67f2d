from collections.abc import Callable
from dataclasses import replace
from datetime import date, time, timedelta, timezone
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from indexer.mapping.dates import fhir_date_time, parse_date, parse_offset, parse_time, split_date_time
from tests.unit.mapping.studies import dataset, first_series, issues, mapped, sampled_study, series, study

DATED = {"StudyDate": "20240102", "StudyTime": "10"}
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("text", ["20240229", "2024.02.29", "2024-02-29"])
def test_dates(text: str) -> None:
    assert parse_date(text) == date(2024, 2, 29)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10", time(10)),
        ("1011", time(10, 11)),
        *((text, time(10, 11, 12)) for text in ("101112", "101112.123456", "10:11:12")),
        ("101160", time(10, 11, 59)),
    ],
)
def test_times(text: str, expected: time) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize(("text", "minutes"), [("+0100", 60), ("-0330", -210), ("+1400", 840), ("-1200", -720)])
def test_offsets(text: str, minutes: int) -> None:
    assert parse_offset(text) == timezone(timedelta(minutes=minutes))


NO_DATES = ["20230229", "2024.0229", "20240101-20240201", "00000000", "18940101", "", "٢٠٢٤٠١٠١"]
NO_TIMES = ["240000", "106000", "1", "noon"]
NO_OFFSETS = ["+1401", "-1201", "+0160", "1"]


@pytest.mark.parametrize(
    ("parse", "text"),
    [*product([parse_date], NO_DATES), *product([parse_time], NO_TIMES), *product([parse_offset], NO_OFFSETS)],
)
def test_what_is_no_date_time_or_offset(parse: Callable[[str], object], text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20240102101112.5+0100", ("20240102", "101112", "+0100")),
        ("20240102", ("20240102", "", "")),
        *((text, ("", "", "")) for text in ("202401", "junk")),
    ],
)
def test_split_date_time(text: str, expected: tuple[str, str, str]) -> None:
    assert split_date_time(text) == expected


@pytest.mark.parametrize(
    ("day", "at", "expected"),
    [
        ("20240331", "023000", "2024-03-31"),  # the clock goes from 2 to 3
        ("20240331", "015959", "2024-03-31T01:59:59+01:00"),
        ("20240331", "030000", "2024-03-31T03:00:00+02:00"),
        ("20241027", "023000", "2024-10-27"),  # the clock goes from 3 to 2
        ("20241027", "015959", "2024-10-27T01:59:59+02:00"),
        ("20241027", "030000", "2024-10-27T03:00:00+01:00"),
    ],
)
def test_a_time_that_a_clock_change_skips_or_repeats_is_left_out(day: str, at: str, expected: str) -> None:
    one = sampled_study(dataset({"SeriesDate": day, "SeriesTime": at}), attributes={"StudyDate": day, "StudyTime": at})
    found = mapped(one, timezone=BERLIN)
    assert found.imaging_study["started"] == found.imaging_study["series"][0]["started"] == expected
    is_left_out = {("StudyTime", "ambiguous_time"), ("SeriesTime", "ambiguous_time")} <= issues(found)
    assert is_left_out == ("T" not in expected)


def test_a_stated_offset_makes_a_repeated_time_certain() -> None:
    sample = dataset({"TimezoneOffsetFromUTC": "+0100"})
    one = sampled_study(sample, attributes={"StudyDate": "20241027", "StudyTime": "023000"})
    found = mapped(one, timezone=BERLIN)
    assert found.imaging_study["started"] == "2024-10-27T02:30:00+01:00"
    assert found.issues == ()


def test_local_mean_time_leaves_the_day() -> None:
    assert fhir_date_time(date(1896, 1, 2), time(2, 30), ZoneInfo("America/Caracas")) == "1896-01-02"


@pytest.mark.parametrize(
    ("sample", "zone", "expected", "issue"),
    [
        ({"TimezoneOffsetFromUTC": "-0500"}, BERLIN, "2024-01-02T10:11:12-05:00", None),
        ({}, BERLIN, "2024-01-02T10:11:12+01:00", None),
        ({}, None, "2024-01-02", ("StudyTime", "no_zone")),
        ({"TimezoneOffsetFromUTC": "Z"}, None, "2024-01-02", ("TimezoneOffsetFromUTC", "malformed")),
        ({"TimezoneOffsetFromUTC": "Z"}, BERLIN, "2024-01-02T10:11:12+01:00", ("TimezoneOffsetFromUTC", "malformed")),
    ],
)
def test_study_started(
    sample: dict[str, str], zone: ZoneInfo | None, expected: str, issue: tuple[str, str] | None
) -> None:
    one = sampled_study(dataset(sample), attributes={"StudyDate": "20240102", "StudyTime": "101112"})
    found = mapped(one, timezone=zone)
    assert found.imaging_study["started"] == expected
    assert issue is None or issue in issues(found)


def test_offset_of_the_database_where_nothing_was_sampled() -> None:
    attributes = {"PatientID": "1", "TimezoneOffsetFromUTC": "+0100"} | DATED
    unsampled = study(attributes, series(sampled={}), is_sampled=False)
    assert mapped(unsampled, issuer="ignore").imaging_study["started"] == "2024-01-02T10:00:00+01:00"
    sampled = replace(study(attributes), series=study({"PatientID": "1"} | DATED).series)
    assert mapped(sampled).imaging_study["started"] == "2024-01-02"


@pytest.mark.parametrize(
    ("attributes", "expected", "issue"),
    [
        ({"StudyDate": "20240102"}, "2024-01-02", None),
        ({"StudyDate": "20240102", "StudyTime": "99"}, "2024-01-02", ("StudyTime", "malformed")),
        ({"StudyDate": "20240231", "StudyTime": "10"}, None, ("StudyDate", "malformed")),
        ({"StudyTime": "10"}, None, None),
    ],
)
def test_study_without_a_whole_moment(
    attributes: dict[str, str], expected: str | None, issue: tuple[str, str] | None
) -> None:
    found = mapped(study(attributes), timezone=BERLIN)
    assert found.imaging_study.get("started") == expected
    assert issue is None or issue in issues(found)


@pytest.mark.parametrize(
    ("database", "sample", "expected"),
    [
        ({"SeriesDate": "20240103", "SeriesTime": "08"}, {"AcquisitionDate": "20240102"}, "2024-01-03T08:00:00+01:00"),
        ({}, {"AcquisitionDateTime": "20240102070809-0500"}, "2024-01-02T07:08:09-05:00"),
        ({}, {"AcquisitionDateTime": "20240102070809"}, "2024-01-02T07:08:09+01:00"),
        ({}, {"AcquisitionDate": "20240102", "AcquisitionTime": "09"}, "2024-01-02T09:00:00+01:00"),
        (
            {},
            {"AcquisitionDate": "20240102", "ContentDate": "20240102", "ContentTime": "0830"},
            "2024-01-02T08:30:00+01:00",
        ),
        ({}, {"ContentDate": "junk"}, None),
    ],
)
def test_series_started(database: dict[str, str], sample: dict[str, str], expected: str | None) -> None:
    one = study(None, series(database)) if database else sampled_study(dataset(sample))
    assert first_series(one, timezone=BERLIN).get("started") == expected
