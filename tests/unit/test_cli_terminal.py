"""No command hands on to the terminal what a server or an archive made to act on it."""

import json

import pytest

from indexer.errors import StudyInvalid, Unavailable
from indexer.model import TargetInfo
from tests.fakes.memory import study
from tests.unit import test_visible
from tests.unit.cli_site import CommandLine
from tests.unit.test_visible import is_seen

STRANGE = test_visible.STRANGE.replace("\ud800", "")  # no JSON that is read can hold it

COMMANDS = [
    ("status",),
    ("quarantine", "list"),
    ("quarantine", "show", "1.2.3"),
    ("show", "1.2.3"),
    ("verify",),
    ("backfill", "--dry-run"),
]


@pytest.fixture
def strange(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Everything that is not ours tries to act on the terminal."""
    line.changes["target"] = {"fhir": line.target.base_url, "release": "R4"}
    line.source.put(study("1.2.3"))
    line.source.script.always("sample", StudyInvalid(STRANGE, cause="invalid", hint=STRANGE))
    line.out("backfill", code=1)
    monkeypatch.setattr(line.target, "info", lambda: TargetInfo(fhir_version=STRANGE, software=STRANGE))
    monkeypatch.setattr(line.source, "ping", lambda: STRANGE)
    return line


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_is_printed_can_be_seen(strange: CommandLine, command: tuple[str, ...]) -> None:
    _, out, err = strange.call(*command)
    assert out, err
    assert all(is_seen(character) for line in (out + err).splitlines() for character in line)
    assert "\nforged" not in out + err


@pytest.mark.parametrize("command", [("status", "--json"), ("verify", "--json")], ids=" ".join)
def test_json_holds_the_same_in_escapes(strange: CommandLine, command: tuple[str, ...]) -> None:
    _, out, _ = strange.call(*command)
    assert all(is_seen(character) for line in out.splitlines() for character in line)
    if command[0] == "status":
        assert json.loads(out)["target"]["software"] == STRANGE


def test_an_error_that_names_what_a_server_says_is_one_line(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line.target, "info", lambda: TargetInfo(fhir_version=STRANGE))
    assert "\\r\\nforged" in line.err("verify", code=78)


def test_an_error_can_be_seen(line: CommandLine) -> None:
    line.source.script.always("list_locations", Unavailable(STRANGE, peer="orthanc main"))
    err = line.err("backfill", code=69)
    assert "\\x1b" in err
    assert all(is_seen(character) for part in err.splitlines() for character in part)
