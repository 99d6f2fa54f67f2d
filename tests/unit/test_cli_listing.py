"""An archive that can only be listed, from `backfill` to `verify`: it has no feed, and DICOM's own ids alone."""

import json
import time

import pytest

from tests.fakes.listing import ListedArchive, study
from tests.unit.cli_site import CommandLine


@pytest.fixture
def listed(line: CommandLine) -> CommandLine:
    """Three studies, of which nothing is known yet."""
    line.source = ListedArchive(time.time)
    for number in range(1, 4):
        line.source.put(study(f"1.2.{number}", series=number))
    return line


def test_it_is_indexed_shown_and_verified(listed: CommandLine) -> None:
    code, out, _ = listed.call("backfill")
    assert (code, out) == (0, "3 studies (12 instances) settled of 3.\n")
    assert listed.target.imaging_study("1.2.3")["numberOfInstances"] == 6

    code, out, _ = listed.call("show", "1.2.2")
    assert code == 0
    assert "Source: 2 series (CT), 4 instances" in out
    assert "Ledger: in main" in out

    code, out, _ = listed.call("verify")
    assert (code, out) == (0, "Compared 3 studies, 6 series, 12 instances.\nEqual.\n")

    listed.source.put(study("1.2.2", series=3))
    listed.source.remove("1.2.3")
    code, out, _ = listed.call("verify", "--json")
    assert code == 1
    assert {finding["study_instance_uid"] for finding in json.loads(out)["findings"]} == {"1.2.2", "1.2.3"}
    listed.call("backfill")
    assert listed.target.imaging_study("1.2.2")["numberOfSeries"] == 3


def test_status_says_that_it_has_no_feed(listed: CommandLine) -> None:
    listed.call("backfill")
    code, out, _ = listed.call("status")
    assert code == 0
    assert "feed position no feed" in {" ".join(text.split()) for text in out.splitlines()}
    (source,) = json.loads(listed.call("status", "--json")[1])["sources"]
    assert (source["feed_position"], source["feed_end"], source["published"]) == (None, None, 3)
