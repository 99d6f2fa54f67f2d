"""An archive that can only be listed, from `backfill` to `verify`: it has no feed, and DICOM's own ids alone."""

import time

import pytest

from tests.fakes.listing import ListedArchive, study
from tests.unit.cli_site import CommandLine, assert_says


@pytest.fixture
def listed(line: CommandLine) -> CommandLine:
    """Three studies, of which nothing is known yet."""
    line.source = ListedArchive(time.time)
    for number in range(1, 4):
        line.source.put(study(f"1.2.{number}", series=number))
    return line


def test_it_is_indexed_shown_and_verified(listed: CommandLine) -> None:
    assert listed.out("backfill") == "3 studies (12 instances) settled of 3.\n"
    assert listed.target.imaging_study("1.2.3")["numberOfInstances"] == 6
    assert_says(listed.out("show", "1.2.2"), "Source: 2 series (CT), 4 instances", "Ledger: in main")
    assert listed.out("verify") == "Compared 3 studies, 6 series, 12 instances.\nEqual.\n"

    listed.source.put(study("1.2.2", series=3))
    listed.source.remove("1.2.3")
    findings = listed.json("verify", "--json", code=1)["findings"]
    assert {finding["study_instance_uid"] for finding in findings} == {"1.2.2", "1.2.3"}
    listed.call("backfill")
    assert listed.target.imaging_study("1.2.2")["numberOfSeries"] == 3


def test_status_says_that_it_has_no_feed(listed: CommandLine) -> None:
    listed.call("backfill")
    assert "feed position no feed" in {" ".join(text.split()) for text in listed.out("status").splitlines()}
    (source,) = listed.json("status", "--json")["sources"]
    assert (source["feed_position"], source["feed_end"], source["published"]) == (None, None, 3)
