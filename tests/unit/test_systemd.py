"""The systemd unit is sound: by systemd's own check where there is one, and by what the program promises."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from indexer import config
from indexer.cli.options import DEFAULT_FILE
from indexer.errors import ConfigError, UsageError

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "systemd" / "dicom-fhir-indexer.service"


@pytest.fixture(scope="module")
def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return parser


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze on this machine; the other tests of the unit still run")
    # The program is not installed where the unit expects it; all else is checked as it is.
    location = tmp_path / UNIT.name
    location.write_text(UNIT.read_text().replace(_command(UNIT.read_text()), "/bin/true"))
    assert _complaints(location) == ""
    location.write_text(location.read_text().replace("Restart=on-failure", "Restart=on-failed"))
    assert "on-failed" in _complaints(location)


def _command(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("ExecStart=")).split("=")[1].split()[0]


def _complaints(file: Path) -> str:
    ended = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    # Other units of the machine are looked at too; only what is said about ours counts.
    return "".join(line for line in ended.stderr.splitlines() if UNIT.name in line)


def test_the_unit_says_what_the_program_promises(unit: configparser.ConfigParser) -> None:
    service = unit["Service"]
    assert service["Type"] == "simple"
    assert service["ExecStart"].endswith(f"dicom-fhir-indexer run --config {DEFAULT_FILE}")
    assert service["Restart"] == "on-failure"
    kept = {int(code) for code in service["RestartPreventExitStatus"].split()}
    assert kept == {ConfigError.exit_code, UsageError.exit_code}
    assert 10 < int(service["TimeoutStopSec"]) <= 15
    assert service["StateDirectory"] == "dicom-fhir-indexer"
    assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_its_user_is_made_by_the_file_beside_it(unit: configparser.ConfigParser) -> None:
    lines = UNIT.with_suffix(".sysusers").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("u ")]
    assert users == [unit["Service"]["User"]]


def test_the_example_ledger_stands_in_the_state_folder(unit: configparser.ConfigParser, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(config.example())
    ledger = config.load(file, {}).config.ledger_url
    assert ledger == f"sqlite:////var/lib/{unit['Service']['StateDirectory']}/ledger.db"
