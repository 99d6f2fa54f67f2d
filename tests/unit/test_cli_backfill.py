"""``backfill``: alone, beside a daemon, cut short, tried out."""

import io
import os
import signal
import threading
import time

import pytest
from rich.console import Console

from indexer.cli import progress
from indexer.errors import StudyNotReady, Unavailable
from indexer.model import Lane, Mark, Settled
from indexer.strategies import imaging_study_id
from tests.fakes.memory import study
from tests.unit.cli_site import CommandLine
from tests.unit.world import wait_until

DOWN = Unavailable("down", peer="fhir", status=503)


@pytest.fixture
def archive(line: CommandLine) -> CommandLine:
    """Five studies of three patients, one of them without a date."""
    for number in range(1, 6):
        date = "" if number == 5 else f"202{number}0101"
        line.source.put(study(f"1.2.{number}", patient_id=f"P{number % 3}", StudyDate=date))
    return line


def refuse(line: CommandLine, uid: str) -> None:
    line.target.habits.refused[f"ImagingStudy/{imaging_study_id(uid)}"] = 422


# --- alone ----------------------------------------------------------------------------------------------------------


def test_everything_is_sent_once(archive: CommandLine) -> None:
    code, out, _ = archive.call("backfill")
    assert code == 0
    assert out == "5 studies (10 instances) settled of 5.\n"
    assert len(archive.target.written) == 5 + 3 + 1
    assert set(archive.target.written.values()) == {1}


def test_a_second_one_sends_nothing(archive: CommandLine) -> None:
    archive.call("backfill")
    archive.target.sent.clear()
    code, out, _ = archive.call("backfill")
    assert (code, out) == (0, "5 studies (10 instances) settled of 5.\n")
    assert archive.target.sent == []


def test_force_sends_the_studies_again(archive: CommandLine) -> None:
    archive.call("backfill")
    archive.target.sent.clear()
    assert archive.call("backfill", "--force")[0] == 0
    assert {reference.split("/")[0] for reference in archive.target.written} == {"ImagingStudy"}
    assert sum(archive.target.written.values()) == 5


def test_an_empty_archive_is_done_at_once(line: CommandLine) -> None:
    assert line.call("backfill")[:2] == (0, "0 studies (0 instances) settled of 0.\n")


def test_quarantined_studies_are_listed(archive: CommandLine) -> None:
    refuse(archive, "1.2.3")
    archive.source.put(study("1.2.9", patient_id=None))
    code, out, _ = archive.call("backfill")
    assert code == 1
    assert out.startswith("4 studies (8 instances) settled of 6.\n2 studies are in quarantine:\n")
    assert "  1.2.3  invalid: status 422: " in out
    assert "  1.2.9  no_patient_id: " in out


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
    code, out, _ = archive.call("backfill", *options)
    assert code == 0
    found = {one["identifier"][0]["value"].removeprefix("urn:oid:") for one in archive.target.of_type("ImagingStudy")}
    assert found == expected
    assert ("1 studies have no StudyDate" in out) == ("--since" in options or "--until" in options)


@pytest.mark.parametrize("option", ["--since", "--until"])
@pytest.mark.parametrize("text", ["yesterday", "2024-02-30", "2024"])
def test_a_date_that_is_none_is_told(archive: CommandLine, option: str, text: str) -> None:
    code, _, err = archive.call("backfill", option, text)
    assert code == 64
    assert err.startswith(f"{option} expects a date such as 2024-01-31\n")


def test_what_waits_is_left_for_later_and_the_next_call_goes_on(archive: CommandLine) -> None:
    archive.source.script.next("sample", StudyNotReady("away", cause="issuer_unread"))
    code, out, _ = archive.call("backfill")
    assert code == 75
    assert out.startswith("4 studies (8 instances) settled of 5.\n1 studies are still dirty; 'status' says why.")
    with archive.opened() as ledger:
        ledger.mark(
            [Mark(location=location, reason="replay", lane=Lane.LIVE) for location in ledger.locations("main")],
            time.time(),
        )
    assert archive.call("backfill")[0] == 0
    assert len(archive.target.of_type("ImagingStudy")) == 5


def test_a_signal_ends_it_and_the_next_call_goes_on(archive: CommandLine) -> None:
    archive.target.script.always("send", DOWN)

    def signal_in_the_outage() -> None:
        wait_until(lambda: archive.target.script.faults >= 2, "the outage")
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=signal_in_the_outage)
    thread.start()
    code, out, _ = archive.call("backfill")
    thread.join()
    assert code == 75
    assert "5 studies are still dirty" in out
    archive.target.script.always("send", None)
    archive.source.script.calls.clear()
    code, out, _ = archive.call("backfill")
    assert (code, out) == (0, "5 studies (10 instances) settled of 5.\n")
    assert archive.source.script.calls["list_locations"] == 0, "the marks were made before"


def test_a_wrong_setting_ends_it(archive: CommandLine) -> None:
    archive.target.habits.refused[_endpoint(archive)] = 403
    code, _, err = archive.call("backfill")
    assert code == 69
    assert "refuses the Endpoint of source main: status 403" in err
    assert "may create Endpoint" in err


def _endpoint(line: CommandLine) -> str:
    line.call("status")
    return f"Endpoint/{line.sites[-1].ids.endpoints(['main'])['main']}"


# --- beside a daemon ------------------------------------------------------------------------------------------------


def test_beside_a_drainer_it_marks_and_watches(archive: CommandLine) -> None:
    archive.call("status")
    done: list[tuple[int, str, str]] = []
    with archive.opened() as ledger, ledger.drain_lock():
        thread = threading.Thread(target=_settle_all, args=(archive,))
        thread.start()
        done.append(archive.call("backfill"))
        thread.join()
    assert done[0][:2] == (0, "5 studies (0 instances) settled of 5.\n")
    assert archive.target.sent == [], "the other process drains"


def _settle_all(archive: CommandLine) -> None:
    """What a daemon would do: take and settle until the marks are gone."""
    with archive.opened() as ledger:
        taken = 0
        while taken < 5:
            tasks = ledger.take(time.time(), 2, 900.0, source="main", sources=["main"])
            ledger.settle([Settled(task=task, published=None) for task in tasks], time.time())
            taken += len(tasks)


def test_when_the_drainer_dies_it_drains_itself(archive: CommandLine) -> None:
    archive.call("status")
    with archive.opened() as ledger:
        lock = ledger.drain_lock()
        lock.__enter__()

        def die() -> None:
            wait_until(lambda: ledger.backfill_rate() == 100.0, "the run")
            lock.__exit__(None, None, None)

        thread = threading.Thread(target=die)
        thread.start()
        code, _, _ = archive.call("backfill", "--rate", "100")
        thread.join()
    assert code == 0
    assert len(archive.target.of_type("ImagingStudy")) == 5


# --- progress -------------------------------------------------------------------------------------------------------


def test_without_a_terminal_lines_tell_the_progress(archive: CommandLine) -> None:
    _, _, err = archive.call("backfill")
    lines = err.splitlines()
    assert lines[0].startswith("backfill: 0 of 5 studies, 0 instances, ")
    assert len(lines) < 3, "a line every 30 seconds"


def test_lines_come_as_time_passes(archive: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    _, _, err = archive.call("backfill")
    assert "backfill: 5 of 5 studies, 10 instances, " in err
    assert "0 in quarantine" in err


def test_on_a_terminal_a_bar_shows_the_progress(archive: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(progress, "ERRORS", Console(file=screen, force_terminal=True, width=120))
    assert archive.call("backfill")[0] == 0
    assert "5/5" in screen.getvalue()
    assert "10 instances" in screen.getvalue()


# --- dry run --------------------------------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing(archive: CommandLine) -> None:
    code, out, _ = archive.call("backfill", "--dry-run")
    assert code == 0
    assert out.splitlines()[-1] == "5 create"
    assert "create  1.2.3" in out
    assert archive.target.sent == []
    with archive.opened() as ledger:
        assert ledger.next_due(time.time(), source="main") is None


def test_a_dry_run_tells_what_would_become_of_each(archive: CommandLine) -> None:
    archive.call("backfill")
    archive.source.put(study("1.2.1", patient_id="P1", instances=9))
    archive.source.put(study("1.2.8"))
    archive.source.put(study("1.2.9", patient_id=None))
    code, out, _ = archive.call("backfill", "--dry-run")
    assert code == 1
    assert out.splitlines() == [
        "update  1.2.1",
        "create  1.2.8",
        "quarantine (no_patient_id)  1.2.9",
        "1 create, 1 quarantine (no_patient_id), 4 unchanged, 1 update",
    ]


def test_a_dry_run_tells_what_has_to_wait(archive: CommandLine) -> None:
    archive.source.script.next("sample", StudyNotReady("away", cause="issuer_unread"))
    code, out, _ = archive.call("backfill", "--dry-run", "--since", "2020-01-01")
    assert code == 0
    assert "wait (issuer_unread)  1.2.1" in out
    assert "1 studies have no StudyDate" in out


def test_a_forced_dry_run_updates_everything(archive: CommandLine) -> None:
    archive.call("backfill")
    assert archive.call("backfill", "--dry-run", "--force")[1].splitlines()[-1] == "5 update"


def test_a_dry_run_of_nothing(line: CommandLine) -> None:
    assert line.call("backfill", "--dry-run")[:2] == (0, "no studies\n")
