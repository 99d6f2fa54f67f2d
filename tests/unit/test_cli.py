"""The command line as such: options, exit codes, errors as sentences, and the small commands."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import typer

from indexer import cli, config, errors, log
from indexer.cli import signals
from tests.fakes.memory import study
from tests.unit.cli_site import CommandLine, assert_says
from tests.unit.world import wait_until


def test_help_lists_the_commands_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    commands = ("run", "backfill", "status", "show", "verify", "quarantine", "config", "ledger")
    assert_says(said, *(f" {command} " for command in commands))
    assert_says(said, "0 done", "1 some", "64 wrong use", "69 a server", "75 try again", "78 wrong configuration")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["backfill", "--nonsense"],
        ["backfill", "--rate", "0"],
        ["backfill", "--rate", "fast"],
        ["show"],
        ["status", "--orthanc", "http://127.0.0.1:8042"],
        ["status", "--ledger", "ledger.db"],
    ],
)
def test_wrong_use_is_told_with_a_hint(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 64
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.strip().endswith("See --help.")
    assert "Traceback" not in said.err


def test_a_wrong_configuration_names_every_mistake(line: CommandLine) -> None:
    line.changes = {"target": {"fhirr": "http://fhir.example/fhir"}, "nonsense": 1}
    assert_says(line.err("status", code=78), "nonsense", "fhirr", "config check")


def test_a_missing_file_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["status", "--config", str(tmp_path / "none.yaml")]) == 78
    assert "none.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.LedgerError("The ledger is damaged."), 78),
        (errors.LedgerBusy("Another process drains."), 75),
        (errors.Unavailable("GET to fhir: cannot connect", peer="fhir"), 69),
        (errors.AccessDenied("GET to fhir: status 401", peer="fhir"), 78),
        (errors.StudyInvalid("no number", cause="no_patient_id"), 1),
        (errors.Interrupted("a stop was asked for"), 0),
    ],
)
def test_an_error_is_a_sentence_a_hint_and_its_exit_code(
    line: CommandLine, error: errors.IndexerError, code: int
) -> None:
    line.source.script.always("list_locations", error)
    found, out, err = line.call("verify")
    assert (found, out) == (code, "")
    assert err == f"{error.message}\n{error.hint}\n"


def test_a_bug_shows_no_data(line: CommandLine, caplog: pytest.LogCaptureFixture) -> None:
    line.source.script.always("list_locations", ValueError("Geheim^Gustav"))
    code, out, err = line.call("verify")
    assert (code, out) == (70, "")
    assert_says(err, "ValueError")
    assert not {"Geheim", "Traceback"} & set(re.findall(r"\w+", err))
    assert [record.levelno for record in caplog.records if record.name == "indexer.cli"] == [logging.CRITICAL]


def test_an_abort_is_no_bug(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def abort(*_: object, **__: object) -> None:
        raise typer.Abort

    monkeypatch.setattr(cli, "app", abort)
    assert line.call("status")[0] == 130


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=cwd, timeout=60
    )


def test_it_runs_as_a_module() -> None:
    done = python("-m", "indexer", "config", "example", cwd=Path(cli.__file__).parents[2])
    assert (done.returncode, done.stdout) == (0, config.example())


@pytest.mark.parametrize(
    ("arguments", "code", "unused"),
    [
        (["--version"], 0, {"pydantic", "requests", "sqlalchemy", "pydicom", "indexer.config", "indexer.model"}),
        (["--help"], 0, {"pydantic", "requests", "sqlalchemy", "pydicom", "indexer.config", "indexer.model"}),
        (["config", "example"], 0, {"requests", "sqlalchemy", "pydicom", "indexer.mapping"}),
        (
            ["status", "--orthanc", "http://127.0.0.1:9", "--fhir", "http://127.0.0.1:9", "--ledger", "ledger.db"],
            69,
            {"pydicom", "indexer.mapping", "indexer.sync"},
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_imports_only_what_it_needs(
    line: CommandLine, arguments: list[str], code: int, unused: set[str]
) -> None:
    """Importing takes longer than what these commands do."""
    program = "import sys; from indexer.cli import main; code = main(sys.argv[1:]); print(*sys.modules); sys.exit(code)"
    done = python("-c", program, *arguments, cwd=line.home)
    assert done.returncode == code, done.stderr
    assert unused & set(done.stdout.split()) == set()


def test_two_addresses_do_without_a_file(line: CommandLine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    addresses = ["--orthanc", "http://127.0.0.1:8042", "--fhir", "http://fhir.example/fhir"]
    assert cli.main(["status", *addresses, "--ledger", str(tmp_path / "tried.db")]) == 0
    assert (tmp_path / "tried.db").exists()
    capsys.readouterr()


def test_the_environment_names_the_file(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DICOM_FHIR_INDEXER_CONFIG", str(line.config))
    assert cli.main(["config", "check"]) == 0
    assert "Good: sources main" in capsys.readouterr().out


def test_logging_is_set_up_and_warnings_are_told(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    configured: list[tuple[str, str]] = []
    monkeypatch.setattr(log, "configure", lambda *options: configured.append(options))
    line.changes = {"log": {"format": "json", "level": "debug"}}
    line.changes["target"] = {"fhir": line.target.base_url, "username": "me", "password": "inline"}
    code, out, err = line.call("quarantine", "list")
    assert code == 0
    assert configured == [("json", "debug")]
    problems = [record.problem for record in caplog.records if record.event == "config_warning"]
    assert any("target.password" in problem for problem in problems)
    assert "inline" not in " ".join([*problems, out, err])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_and_the_second_ends(line: CommandLine, number: signal.Signals) -> None:
    stop = threading.Event()
    signals.stop_on_signal(stop)
    assert not stop.is_set()
    signal.raise_signal(number)
    assert stop.is_set()
    assert {signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)} == {signal.SIG_DFL}


def test_a_process_that_is_stuck_ends_a_while_after_the_first_signal() -> None:
    """Here, in a pipe that nobody reads."""
    code = (
        "import os, signal, threading\n"
        "from indexer.cli import signals\n"
        "signals.END_S = 0.2\n"
        "signals.stop_on_signal(threading.Event())\n"
        "signal.raise_signal(signal.SIGTERM)\n"
        "_, write = os.pipe()\n"
        "os.write(write, bytes(10_000_000))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == -signal.SIGTERM


def test_run_follows_until_it_is_signalled(line: CommandLine) -> None:
    line.source.put(study())

    def signal_when_done() -> None:
        wait_until(lambda: line.target.of_type("ImagingStudy"), "the study")
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=signal_when_done)
    thread.start()
    assert line.call("run")[0] == 0
    thread.join()
    assert line.target.imaging_study("1.2.3")["numberOfInstances"] == 2


def test_config_check_says_what_it_found_and_warns(line: CommandLine) -> None:
    good = "Good: sources main; target http://fhir.example/fhir; ledger sqlite:///"
    assert good in line.out("config", "check")
    line.changes = {"target": {"fhir": line.target.base_url, "username": "me", "password": "inline"}}
    assert line.out("config", "check").startswith("warning: ")


def test_config_schema_and_example_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == config.json_schema()
    assert cli.main(["config", "example"]) == 0
    assert capsys.readouterr().out == config.example()


def test_a_ledger_is_backed_up(line: CommandLine, tmp_path: Path) -> None:
    line.call("status")
    copy = tmp_path / "copy.db"
    assert "keep it as safe" in line.out("ledger", "backup", str(copy))
    assert copy.stat().st_size > 0
    assert line.err("ledger", "backup", str(copy), code=64)


def test_the_site_key_is_shown_on_demand(line: CommandLine) -> None:
    out = line.out("ledger", "site-key")
    with line.opened() as ledger:
        assert out.strip() == ledger.site_key().hex()
