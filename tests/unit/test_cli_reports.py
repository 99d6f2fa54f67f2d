"""``status``, ``show``, ``verify`` and ``quarantine``: what they say and how they end."""

import json
import time
from typing import Any

import pytest

from indexer.errors import StudyNotReady, Unavailable
from indexer.model import Mark, TargetInfo
from indexer.model.ledger import HealthState
from indexer.strategies import imaging_study_id
from tests.fakes.memory import study
from tests.unit.cli_site import CommandLine

DOWN = Unavailable("GET to orthanc: cannot connect", peer="orthanc")


@pytest.fixture
def indexed(line: CommandLine) -> CommandLine:
    """One published study, one in quarantine."""
    line.source.put(study("1.2.3", series=2))
    line.source.put(study("1.2.4", patient_id=None))
    assert line.call("backfill")[0] == 1
    return line


def mark(line: CommandLine, uid: str, **options: Any) -> None:
    with line.opened() as ledger:
        ledger.mark([Mark(location=line.source.find(uid)[0], reason="changes", **options)], time.time())


# --- status ---------------------------------------------------------------------------------------------------------


def test_status_of_a_site_that_never_ran(line: CommandLine) -> None:
    code, out, _ = line.call("status")
    assert code == 0
    assert "FHIR server: reachable memory 4.0.1" in out
    assert "Draining: nobody, start the daemon or a backfill" in out
    assert "never polled of 0" in out
    assert out.count("never") == 3


def test_status_counts(indexed: CommandLine) -> None:
    mark(indexed, "1.2.3", quiet_s=60, max_wait_s=600)
    _, out, _ = indexed.call("status")
    rows = {" ".join(text.split()) for text in out.splitlines()}
    assert {"dirty 1 (1 live)", "published 1", "in quarantine 1", "waiting -"} <= rows
    assert "feed position 0 of 2" in rows


def test_status_tells_what_waits_and_who_drains(line: CommandLine) -> None:
    line.source.put(study())
    line.source.script.next("sample", StudyNotReady("away", cause="issuer_unread"))
    line.call("backfill")
    with line.opened() as ledger, ledger.drain_lock():
        _, out, _ = line.call("status")
    assert "Draining: yes" in out
    assert "1 issuer_unread" in out


def test_status_tells_how_the_servers_of_a_living_drain_do(line: CommandLine) -> None:
    well = HealthState(server="fhir", peer="fhir", is_well=True)
    lost = HealthState(
        server="orthanc main",
        peer="orthanc",
        is_well=False,
        since=0.0,
        next_try_at=60.0,
        cause="Unavailable",
        status=503,
    )
    with line.opened() as ledger:
        with ledger.drain_lock():
            ledger.put_health([well, lost])
            _, out, _ = line.call("status")
            servers = json.loads(line.call("status", "--json")[1])["servers"]
        assert json.loads(line.call("status", "--json")[1])["servers"] == []
    assert "fhir: well" in out
    assert (
        "orthanc main: NOT well since 1970-01-01T00:00:00Z (Unavailable, status 503), "
        "tried again at 1970-01-01T00:01:00Z" in out
    )
    assert [(one["server"], one["is_well"], one["cause"]) for one in servers] == [
        ("fhir", True, ""),
        ("orthanc main", False, "Unavailable"),
    ]


def test_a_drain_leaves_word_of_how_the_servers_did(line: CommandLine) -> None:
    line.source.put(study())
    line.source.script.next("read", Unavailable("down", peer="orthanc main", status=503))
    assert line.call("backfill")[0] == 0
    with line.opened() as ledger:
        states = {state.server: state.is_well for state in ledger.health()}
    assert states == {"fhir": True, "orthanc main": True, "dicomweb main": True}


def test_status_as_json(indexed: CommandLine) -> None:
    code, out, _ = indexed.call("status", "--json")
    assert code == 0
    report = json.loads(out)
    assert report["target"] == {"reachable": True, "fhir_version": "4.0.1", "software": "memory"}
    assert report["drainer"] is False
    (source,) = report["sources"]
    assert (source["source"], source["published"], source["quarantined"], source["feed_end"]) == ("main", 1, 1, 2)
    assert source["last_write_at"].endswith("Z")
    assert source["last_poll_at"] is None


@pytest.mark.parametrize("peer", ["source", "target"])
def test_status_of_a_peer_that_is_away(indexed: CommandLine, peer: str) -> None:
    script = indexed.source.script if peer == "source" else indexed.target.script
    script.always("ping" if peer == "source" else "info", DOWN)
    code, out, _ = indexed.call("status")
    assert code == 69
    assert "NOT reachable: GET to orthanc: cannot connect" in out
    reports = json.loads(indexed.call("status", "--json")[1])
    found = reports["sources"][0] if peer == "source" else reports["target"]
    assert found["reachable"] is False
    assert found["problem"] == DOWN.message


def test_status_prints_names_as_they_are(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server calls itself is no markup."""
    monkeypatch.setattr(line.target, "info", lambda: TargetInfo(fhir_version="4.0.1", software="FHIR [/beta] [red]"))
    assert "reachable FHIR [/beta] [red] 4.0.1" in line.call("status")[1]


# --- show -----------------------------------------------------------------------------------------------------------


def test_show_of_a_study_that_is_as_it_should_be(indexed: CommandLine) -> None:
    code, out, _ = indexed.call("show", "1.2.3")
    assert code == 0
    fhir_id = imaging_study_id("1.2.3")
    assert "Source: 2 series (CT), 4 instances" in out
    assert "Ledger: in main" in out
    assert f"Ledger: ImagingStudy/{fhir_id} confirmed at 20" in out
    assert f"FHIR: ImagingStudy/{fhir_id} version ?, 2 series, 4 instances" in out
    assert "Different" not in out


def test_show_names_the_differences(indexed: CommandLine) -> None:
    held = indexed.target.imaging_study("1.2.3")
    held["series"].pop()
    indexed.target.put(held | {"meta": {"versionId": "7"}})
    mark(indexed, "1.2.3")
    code, out, _ = indexed.call("show", "1.2.3")
    assert code == 1
    assert "version 7" in out
    assert "Different: missing series 1.2.3.2" in out
    assert "Ledger: dirty since 20" in out
    assert "0 failed tries, last cause -" in out


def test_show_of_a_study_in_quarantine(indexed: CommandLine) -> None:
    code, out, _ = indexed.call("show", "1.2.4")
    assert code == 1
    assert "Source: The study has no patient number. (no_patient_id)." in out
    assert "Ledger: in quarantine, no_patient_id: The study has no patient number." in out
    assert "FHIR: no ImagingStudy has this UID" in out


def test_show_of_a_study_that_the_ledger_does_not_know(indexed: CommandLine) -> None:
    indexed.source.put(study("1.2.9"))
    code, out, _ = indexed.call("show", "1.2.9")
    assert code == 1
    assert "Ledger: unknown" in out
    assert "Different: missing study" in out


def test_show_of_a_study_that_is_gone(indexed: CommandLine) -> None:
    indexed.source.remove("orthanc-1.2.3")
    code, out, _ = indexed.call("show", "1.2.3")
    assert code == 1
    assert "Source: no source holds this study (vanished)." in out
    indexed.target.wipe()
    assert indexed.call("show", "1.2.3")[0] == 0


def test_show_of_a_study_that_nobody_knows(indexed: CommandLine) -> None:
    code, _, err = indexed.call("show", "9.9.9")
    assert code == 64
    assert "no source holds this study" in err
    assert "9.9.9" not in err


def test_show_tells_what_was_left_out(line: CommandLine) -> None:
    line.source.put(study(StudyTime="101112"))
    _, out, _ = line.call("show", "1.2.3")
    assert "left out: " in out
    assert "StudyTime" in out


def test_show_prints_what_would_be_sent(indexed: CommandLine) -> None:
    code, out, _ = indexed.call("show", "1.2.3", "--resource")
    assert code == 0
    imaging_study, patient = json.loads(out)
    assert imaging_study == indexed.target.imaging_study("1.2.3")
    assert patient["resourceType"] == "Patient"
    code, out, err = indexed.call("show", "1.2.4", "--resource")
    assert (code, out) == (1, "")
    assert "no patient number" in err


# --- verify ---------------------------------------------------------------------------------------------------------


def test_verify_of_an_index_that_is_true(indexed: CommandLine) -> None:
    code, out, _ = indexed.call("verify")
    assert code == 0
    assert out == "Compared 2 studies, 2 series, 4 instances.\n1 in quarantine: 1.2.4\nEqual.\n"


def test_verify_names_what_differs(indexed: CommandLine) -> None:
    held = indexed.target.imaging_study("1.2.3")
    indexed.target.put(held | {"numberOfInstances": 9})
    indexed.source.put(study("1.2.9"))
    mark(indexed, "1.2.9")
    indexed.target.habits.searches_by_endpoint = False
    code, out, _ = indexed.call("verify")
    assert code == 1
    assert "DIFFERENT 1.2.3: wrong numberOfInstances: 9 instead of 4" in out
    assert "1 not yet settled: 1.2.9" in out
    assert "Note: the FHIR server cannot search by endpoint" in out
    assert out.endswith("1 differ.\n")


def test_verify_as_json(indexed: CommandLine) -> None:
    code, out, _ = indexed.call("verify", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["equal"] is True
    assert (report["studies"], report["quarantined"], report["findings"]) == (2, ["1.2.4"], [])
    indexed.target.wipe()
    code, out, _ = indexed.call("verify", "--json")
    assert code == 1
    assert {"study_instance_uid": "1.2.3", "differences": ["missing study", _NO_SUBJECT]} in json.loads(out)["findings"]


_NO_SUBJECT = "subject is missing or has another identifier"


# --- quarantine -----------------------------------------------------------------------------------------------------


def test_quarantine_lists_shows_and_replays(indexed: CommandLine) -> None:
    code, out, _ = indexed.call("quarantine", "list")
    assert code == 0
    assert out.startswith("1.2.4  20")
    assert out.endswith("no_patient_id: The study has no patient number.\n1 in quarantine.\n")

    code, out, _ = indexed.call("quarantine", "show", "1.2.4")
    assert code == 0
    assert "cause no_patient_id" in out
    assert "in main as orthanc-1.2.4" in out

    indexed.source.put(study("1.2.4", patient_id="P9"))
    assert indexed.call("quarantine", "replay", "1.2.4")[:2] == (0, "1 studies will be tried again.\n")
    assert indexed.call("backfill")[0] == 0
    assert indexed.call("quarantine", "list")[1] == "0 in quarantine.\n"


def test_quarantine_shows_only_what_is_in_it(indexed: CommandLine) -> None:
    code, _, err = indexed.call("quarantine", "show", "1.2.3")
    assert code == 64
    assert "not in quarantine" in err


def test_quarantine_replays_all_without_a_uid(indexed: CommandLine) -> None:
    assert indexed.call("quarantine", "replay")[1] == "1 studies will be tried again.\n"
    assert indexed.call("quarantine", "replay", "9.9")[1] == "0 studies will be tried again.\n"
