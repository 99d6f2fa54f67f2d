"""``status``, ``show``, ``verify`` and ``quarantine``: what they say and how they end."""

import time
from typing import Any

import pytest

from indexer.errors import StudyNotReady, Unavailable
from indexer.model import Mark, TargetInfo
from indexer.model.ledger import HealthState
from indexer.strategies import imaging_study_id
from tests.fakes.memory import study
from tests.unit.cli_site import CommandLine, assert_says

AWAY = Unavailable("GET to orthanc: cannot connect", peer="orthanc")


@pytest.fixture
def indexed(line: CommandLine) -> CommandLine:
    """One published study, one in quarantine."""
    line.source.put(study("1.2.3", series=2))
    line.source.put(study("1.2.4", patient_id=None))
    line.out("backfill", code=1)
    return line


def mark(line: CommandLine, uid: str, **options: Any) -> None:
    with line.opened() as ledger:
        ledger.mark([Mark(location=line.source.find(uid)[0], reason="changes", **options)], time.time())


def test_status_of_a_site_that_never_ran(line: CommandLine) -> None:
    out = line.out("status")
    assert_says(
        out,
        "FHIR server: reachable memory 4.0.1",
        "Draining: nobody, start the daemon or a backfill",
        "never polled of 0",
    )
    assert out.count("never") == 3


def test_status_counts(indexed: CommandLine) -> None:
    mark(indexed, "1.2.3", quiet_s=60, max_wait_s=600)
    rows = {" ".join(text.split()) for text in indexed.out("status").splitlines()}
    assert {"dirty 1 (1 live)", "published 1", "in quarantine 1", "waiting -", "feed position 2 of 2"} <= rows


def test_status_tells_what_waits_and_who_drains(line: CommandLine) -> None:
    line.source.put(study())
    line.source.script.next("sample", StudyNotReady("away", cause="issuer_unread"))
    line.out("backfill", code=75)
    with line.opened() as ledger, ledger.drain_lock():
        assert_says(line.out("status"), "Draining: yes", "1 issuer_unread")


def test_status_tells_how_the_servers_of_a_living_drain_do(line: CommandLine) -> None:
    well = HealthState(server="fhir", peer="fhir", is_well=True)
    trouble = {"since": 0.0, "next_try_at": 60.0, "cause": "Unavailable", "status": 503}
    lost = HealthState(server="orthanc main", peer="orthanc", is_well=False, **trouble)
    with line.opened() as ledger:
        with ledger.drain_lock():
            ledger.put_health([well, lost])
            out, servers = line.out("status"), line.json("status", "--json")["servers"]
        assert line.json("status", "--json")["servers"] == []
    assert_says(
        out,
        "fhir: well",
        "orthanc main: NOT well since 1970-01-01T00:00:00Z (Unavailable, status 503), "
        "tried again at 1970-01-01T00:01:00Z",
    )
    told = [(one["server"], one["is_well"], one["cause"]) for one in servers]
    assert told == [("fhir", True, ""), ("orthanc main", False, "Unavailable")]


def test_a_drain_leaves_word_of_how_the_servers_did(line: CommandLine) -> None:
    line.source.put(study())
    line.source.script.next("read", Unavailable("down", peer="orthanc main", status=503))
    line.out("backfill")
    with line.opened() as ledger:
        states = {state.server: state.is_well for state in ledger.health()}
    assert states == {"fhir": True, "orthanc main": True, "dicomweb main": True}


def test_status_as_json(indexed: CommandLine) -> None:
    report = indexed.json("status", "--json")
    assert report["target"] == {"reachable": True, "fhir_version": "4.0.1", "software": "memory"}
    assert report["drainer"] is False
    (source,) = report["sources"]
    assert (source["source"], source["published"], source["quarantined"], source["feed_end"]) == ("main", 1, 1, 2)
    assert source["last_write_at"].endswith("Z")
    assert source["last_poll_at"] is None


@pytest.mark.parametrize("peer", ["source", "target"])
def test_status_of_a_peer_that_is_away(indexed: CommandLine, peer: str) -> None:
    getattr(indexed, peer).script.always("ping" if peer == "source" else "info", AWAY)
    assert_says(indexed.out("status", code=69), "NOT reachable: GET to orthanc: cannot connect")
    reports = indexed.json("status", "--json", code=69)
    found = reports["sources"][0] if peer == "source" else reports["target"]
    assert (found["reachable"], found["problem"]) == (False, AWAY.message)


def test_status_prints_names_as_they_are(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server calls itself is no markup."""
    monkeypatch.setattr(line.target, "info", lambda: TargetInfo(fhir_version="4.0.1", software="FHIR [/beta] [red]"))
    assert_says(line.out("status"), "reachable FHIR [/beta] [red] 4.0.1")


def test_show_of_a_study_that_is_as_it_should_be(indexed: CommandLine) -> None:
    out, fhir_id = indexed.out("show", "1.2.3"), imaging_study_id("1.2.3")
    assert_says(
        out,
        "Source: 2 series (CT), 4 instances",
        "Ledger: in main",
        f"Ledger: ImagingStudy/{fhir_id} confirmed at 20",
        f"FHIR: ImagingStudy/{fhir_id} version ?, 2 series, 4 instances",
    )
    assert "Different" not in out


def test_show_names_the_differences(indexed: CommandLine) -> None:
    held = indexed.target.imaging_study("1.2.3")
    held["series"].pop()
    indexed.target.put(held | {"meta": {"versionId": "7"}})
    mark(indexed, "1.2.3")
    assert_says(
        indexed.out("show", "1.2.3", code=1),
        "version 7",
        "Different: missing series 1.2.3.2",
        "Ledger: dirty since 20",
        "0 failed tries, last cause -",
    )


def test_show_of_a_study_in_quarantine(indexed: CommandLine) -> None:
    assert_says(
        indexed.out("show", "1.2.4", code=1),
        "Source: The study has no patient number. (no_patient_id).",
        "Ledger: in quarantine, no_patient_id: The study has no patient number.",
        "FHIR: no ImagingStudy has this UID",
    )


def test_show_of_a_study_that_the_ledger_does_not_know(indexed: CommandLine) -> None:
    indexed.source.put(study("1.2.9"))
    assert_says(indexed.out("show", "1.2.9", code=1), "Ledger: unknown", "Different: missing study")


def test_show_of_a_study_that_is_gone(indexed: CommandLine) -> None:
    indexed.source.remove("orthanc-1.2.3")
    assert_says(indexed.out("show", "1.2.3", code=1), "Source: no source holds this study (vanished).")
    indexed.target.wipe()
    indexed.out("show", "1.2.3")


def test_show_of_a_study_that_nobody_knows(indexed: CommandLine) -> None:
    err = indexed.err("show", "9.9.9", code=64)
    assert "no source holds this study" in err
    assert "9.9.9" not in err


def test_show_tells_what_was_left_out(line: CommandLine) -> None:
    line.source.put(study(StudyTime="101112"))
    out = " ".join(line.out("show", "1.2.3", code=1).split())
    assert_says(
        out,
        "StudyTime: the time was left out because its time zone is not known. Set 'timezone' of the source.",
    )
    assert "Issue(" not in out
    assert "101112" not in out


def test_show_prints_what_would_be_sent(indexed: CommandLine) -> None:
    imaging_study, patient = indexed.json("show", "1.2.3", "--resource")
    assert imaging_study == indexed.target.imaging_study("1.2.3")
    assert patient["resourceType"] == "Patient"
    code, out, err = indexed.call("show", "1.2.4", "--resource")
    assert (code, out) == (1, "")
    assert "no patient number" in err


def test_verify_of_an_index_that_is_true(indexed: CommandLine) -> None:
    assert indexed.out("verify") == "Compared 2 studies, 2 series, 4 instances.\n1 in quarantine: 1.2.4\nEqual.\n"


def test_verify_names_what_differs(indexed: CommandLine) -> None:
    indexed.target.put(indexed.target.imaging_study("1.2.3") | {"numberOfInstances": 9})
    indexed.source.put(study("1.2.9"))
    mark(indexed, "1.2.9")
    indexed.target.habits.has_endpoint_search = False
    out = indexed.out("verify", code=1)
    assert_says(
        out,
        "DIFFERENT 1.2.3: wrong numberOfInstances: 9 instead of 4",
        "1 not yet settled: 1.2.9",
        "Note: the FHIR server cannot search by endpoint",
    )
    assert out.endswith("1 differ.\n")


def test_verify_as_json(indexed: CommandLine) -> None:
    report = indexed.json("verify", "--json")
    assert report["equal"] is True
    assert (report["studies"], report["quarantined"], report["findings"]) == (2, ["1.2.4"], [])
    indexed.target.wipe()
    differences = ["missing study", "subject is missing or has another identifier"]
    finding = {"study_instance_uid": "1.2.3", "differences": differences}
    assert finding in indexed.json("verify", "--json", code=1)["findings"]


def test_quarantine_lists_shows_and_replays(indexed: CommandLine) -> None:
    out = indexed.out("quarantine", "list")
    assert out.startswith("1.2.4  20")
    assert out.endswith("no_patient_id: The study has no patient number.\n1 in quarantine.\n")
    assert_says(indexed.out("quarantine", "show", "1.2.4"), "cause no_patient_id", "in main as orthanc-1.2.4")
    indexed.source.put(study("1.2.4", patient_id="P9"))
    assert indexed.out("quarantine", "replay", "1.2.4") == "1 studies will be tried again.\n"
    indexed.out("backfill")
    assert indexed.out("quarantine", "list") == "0 in quarantine.\n"


def test_quarantine_shows_only_what_is_in_it(indexed: CommandLine) -> None:
    assert "not in quarantine" in indexed.err("quarantine", "show", "1.2.3", code=64)


def test_quarantine_replays_all_without_a_uid(indexed: CommandLine) -> None:
    assert indexed.out("quarantine", "replay") == "1 studies will be tried again.\n"
    assert indexed.out("quarantine", "replay", "9.9") == "0 studies will be tried again.\n"
