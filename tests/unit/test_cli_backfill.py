"""``backfill``: alone, beside a daemon, cut short, tried out."""

import io
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest
from rich.console import Console

from indexer.cli import progress
from indexer.errors import StudyNotReady, Unavailable
from indexer.model import Lane, Mark, Settled
from indexer.strategies import imaging_study_id
from tests.fakes.memory import MemorySource, study
from tests.unit.cli_site import CommandLine, assert_says
from tests.unit.world import wait_until

ALL = "5 studies (10 instances) settled of 5.\n"


@pytest.fixture
def archive(line: CommandLine) -> CommandLine:
    """Five studies of three patients, one of them without a date."""
    for number in range(1, 6):
        date = "" if number == 5 else f"202{number}0101"
        line.source.put(study(f"1.2.{number}", patient_id=f"P{number % 3}", StudyDate=date))
    return line


@pytest.fixture
def filled(archive: CommandLine) -> CommandLine:
    """All of them are published, and what was sent is forgotten."""
    archive.out("backfill")
    archive.target.sent.clear()
    return archive


def meanwhile(line: CommandLine, act: Callable[[], None], *arguments: str, code: int = 0) -> str:
    """What ``backfill`` prints while something else is done in a thread."""
    thread = threading.Thread(target=act)
    thread.start()
    out = line.out("backfill", *arguments, code=code)
    thread.join()
    return out


def test_everything_is_sent_once(archive: CommandLine) -> None:
    assert archive.out("backfill") == ALL
    assert len(archive.target.written) == 5 + 3 + 1
    assert set(archive.target.written.values()) == {1}


def test_a_second_one_sends_nothing(filled: CommandLine) -> None:
    assert filled.out("backfill") == ALL
    assert filled.target.sent == []


def test_force_sends_the_studies_again(filled: CommandLine) -> None:
    filled.out("backfill", "--force")
    assert {reference.split("/")[0] for reference in filled.target.written} == {"ImagingStudy"}
    assert sum(filled.target.written.values()) == 5


def test_an_empty_archive_is_done_at_once(line: CommandLine) -> None:
    assert line.out("backfill") == "0 studies (0 instances) settled of 0.\n"
    assert line.out("backfill", "--dry-run") == "no studies\n"


def test_quarantined_studies_are_listed(archive: CommandLine) -> None:
    archive.target.habits.refused[f"ImagingStudy/{imaging_study_id('1.2.3')}"] = 422
    archive.source.put(study("1.2.9", patient_id=None))
    out = archive.out("backfill", code=1)
    assert out.startswith("4 studies (8 instances) settled of 6.\n2 studies are in quarantine:\n")
    assert_says(out, "  1.2.3  invalid: status 422: ", "  1.2.9  no_patient_id: ")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--since", "2022-01-01"], {"1.2.2", "1.2.3", "1.2.4"}),
        (["--until", "20220101"], {"1.2.1", "1.2.2"}),
        (["--study", "1.2.5", "--study", "1.2.1"], {"1.2.1", "1.2.5"}),
        (["--modality", "mr"], set()),
        (["--modality", "ct", "--until", "2021-12-31"], {"1.2.1"}),
    ],
)
def test_a_part_of_the_archive(archive: CommandLine, options: list[str], expected: set[str]) -> None:
    out = archive.out("backfill", *options)
    found = {one["identifier"][0]["value"].removeprefix("urn:oid:") for one in archive.target.of_type("ImagingStudy")}
    assert found == expected
    assert ("1 studies have no StudyDate" in out) == ("--since" in options or "--until" in options)


def test_a_named_study_that_is_nowhere_is_told(archive: CommandLine) -> None:
    out = archive.out("backfill", "--study", "1.2.1", "--study", "1.2.99", "--study", "1.2.98", code=1)
    assert_says(out, "1 studies (2 instances) settled of 1.", "2 of the named studies are in no source: 1.2.98, 1.2.99")


def test_a_named_study_is_read_although_the_source_does_not_find_it(
    filled: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filled.source, "find", lambda _uid: ())
    assert filled.out("backfill", "--study", "1.2.1", "--force", "--dry-run") == "update  1.2.1\n1 update\n"
    assert filled.out("backfill", "--study", "1.2.1", "--force") == "1 studies (2 instances) settled of 1.\n"
    assert filled.target.written


def test_a_named_study_that_was_deleted_is_told_once_it_was_read_in_vain(filled: CommandLine) -> None:
    (location,) = filled.source.find("1.2.1")
    filled.source.remove(location.location_id)
    assert_says(filled.out("backfill", "--study", "1.2.1", code=1), "1 of the named studies are in no source: 1.2.1")


@pytest.mark.parametrize("option", ["--since", "--until"])
@pytest.mark.parametrize("text", ["yesterday", "2024-02-30", "2024"])
def test_a_date_that_is_none_is_told(archive: CommandLine, option: str, text: str) -> None:
    err = archive.err("backfill", option, text, code=64)
    assert err.startswith(f"{option} expects a date such as 2024-01-31\n")


def test_what_waits_is_left_for_later_and_the_next_call_goes_on(archive: CommandLine) -> None:
    archive.source.script.next("sample", StudyNotReady("away", cause="issuer_unread"))
    out = archive.out("backfill", code=75)
    assert out.startswith("4 studies (8 instances) settled of 5.\n1 studies are still dirty; 'status' says why.")
    with archive.opened() as ledger:
        marks = [Mark(location=location, reason="replay", lane=Lane.LIVE) for location in ledger.locations("main")]
        ledger.mark(marks, time.time())
    archive.out("backfill")
    assert len(archive.target.of_type("ImagingStudy")) == 5


def test_a_signal_ends_it_and_the_next_call_goes_on(archive: CommandLine) -> None:
    archive.target.script.always("send", Unavailable("down", peer="fhir", status=503))

    def signal_in_the_outage() -> None:
        wait_until(lambda: archive.target.script.faults >= 2, "the outage")
        os.kill(os.getpid(), signal.SIGTERM)

    assert "5 studies are still dirty" in meanwhile(archive, signal_in_the_outage, code=75)
    archive.target.script.always("send", None)
    archive.source.script.calls.clear()
    assert archive.out("backfill") == ALL
    assert archive.source.script.calls["list_locations"] == 0, "the marks were made before"


def test_a_wrong_setting_ends_it(archive: CommandLine) -> None:
    archive.out("status")
    endpoint_id = archive.sites[-1].ids.endpoints(["main"])["main"]
    archive.target.habits.refused[f"Endpoint/{endpoint_id}"] = 403
    assert_says(
        archive.err("backfill", code=69),
        "refuses the Endpoint of source main: status 403",
        "may create Endpoint",
    )


def test_beside_a_drainer_it_marks_and_watches(archive: CommandLine) -> None:
    """The other process takes and settles until the marks are gone."""
    archive.out("status")

    def settle_all() -> None:
        taken = 0
        while taken < 5:
            tasks = ledger.take(time.time(), 2, 900.0, source="main", sources=["main"])
            ledger.settle([Settled(task=task, published=None) for task in tasks], time.time())
            taken += len(tasks)

    with archive.opened() as ledger, ledger.drain_lock():
        assert meanwhile(archive, settle_all) == "5 studies (0 instances) settled of 5.\n"
    assert archive.target.sent == [], "the other process drains"


def test_when_the_drainer_dies_it_drains_itself(archive: CommandLine) -> None:
    archive.out("status")
    with archive.opened() as ledger:
        lock = ledger.drain_lock()
        lock.__enter__()

        def die() -> None:
            wait_until(lambda: ledger.backfill_rate() == 100.0, "the run")
            lock.__exit__(None, None, None)

        meanwhile(archive, die, "--rate", "100")
    assert len(archive.target.of_type("ImagingStudy")) == 5


def test_without_a_terminal_lines_tell_the_progress_as_time_passes(
    archive: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = archive.err("backfill").splitlines()
    assert lines[0].startswith("backfill: 0 of 5 studies, 0 instances, ")
    assert len(lines) < 3, "a line every 30 seconds"
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    assert_says(archive.err("backfill"), "backfill: 5 of 5 studies, 10 instances, ", "0 in quarantine")


def test_on_a_terminal_a_bar_shows_the_progress(archive: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(progress, "ERRORS", Console(file=screen, force_terminal=True, width=120))
    archive.out("backfill")
    assert_says(screen.getvalue(), "5/5", "10 instances")


def test_a_dry_run_writes_nothing(archive: CommandLine) -> None:
    out = archive.out("backfill", "--dry-run")
    assert out.splitlines()[-1] == "5 create"
    assert "create  1.2.3" in out
    assert archive.target.sent == []
    with archive.opened() as ledger:
        assert ledger.next_due(time.time(), source="main") is None


def test_a_dry_run_tells_what_would_become_of_each(filled: CommandLine) -> None:
    filled.source.put(study("1.2.1", patient_id="P1", instances=9))
    filled.source.put(study("1.2.8"))
    filled.source.put(study("1.2.9", patient_id=None))
    assert filled.out("backfill", "--dry-run", code=1).splitlines() == [
        "update  1.2.1",
        "create  1.2.8",
        "quarantine (no_patient_id)  1.2.9",
        "1 create, 1 quarantine (no_patient_id), 4 unchanged, 1 update",
    ]


def test_a_dry_run_lists_a_study_under_two_patients_once_with_the_decision_of_backfill(line: CommandLine) -> None:
    for number in range(2):
        line.source.put(study("1.2.3", patient_id=f"P{number}"), location_id=f"copy-{number}")
    assert line.out("backfill", "--dry-run", code=1).splitlines() == [
        "quarantine (identity_conflict)  1.2.3",
        "1 quarantine (identity_conflict)",
    ]
    assert_says(line.out("backfill", code=1), "  1.2.3  identity_conflict: ")


def test_a_dry_run_lists_a_study_in_two_sources_once(line: CommandLine) -> None:
    line.others.append(MemorySource(time.time, name="second"))
    for source in (line.source, *line.others):
        source.put(study("1.2.3"))
    assert line.out("backfill", "--dry-run") == "create  1.2.3\n1 create\n"


def test_a_dry_run_counts_a_copy_that_only_the_ledger_knows(line: CommandLine) -> None:
    line.source.put(study("1.2.3", patient_id="P0", StudyDate="20240101"), location_id="copy-0")
    line.source.put(study("1.2.3", patient_id="P1", StudyDate="20240102"), location_id="copy-1")
    line.call("backfill")
    assert_says(line.out("backfill", "--dry-run", "--since", "2024-01-02", code=1), "(identity_conflict)  1.2.3")


def test_a_dry_run_tells_what_has_to_wait(archive: CommandLine) -> None:
    archive.source.script.next("sample", StudyNotReady("away", cause="issuer_unread"))
    out = archive.out("backfill", "--dry-run", "--since", "2020-01-01")
    assert_says(out, "wait (issuer_unread)  1.2.1", "1 studies have no StudyDate")


def test_a_forced_dry_run_updates_everything(filled: CommandLine) -> None:
    assert filled.out("backfill", "--dry-run", "--force").splitlines()[-1] == "5 update"
