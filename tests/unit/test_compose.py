"""The Compose file and the Dockerfile are sound as far as that can be told without a Docker daemon."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from indexer import config
from indexer.cli.options import DEFAULT_FILE

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.orthanc.yml"
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return tree


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((ROOT / "tests" / "data" / "compose-spec.json").read_text())
    return tree


def test_the_file_follows_the_compose_specification(compose: dict[str, Any], schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(compose)


@pytest.mark.parametrize(
    "change", [{"imagee": "x"}, {"ports": 8042}, {"healthcheck": {"tests": []}}, {"restart": ["always"]}]
)
def test_the_schema_bites(change: dict[str, Any], compose: dict[str, Any], schema: dict[str, Any]) -> None:
    services = {**compose["services"], "orthanc": {**compose["services"]["orthanc"], **change}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({**compose, "services": services})


def test_names_fit_together(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {"orthanc", "hapi", "indexer"} <= services.keys()
    for service in services.values():
        assert service["healthcheck"]["test"]
        assert set(service.get("depends_on", ())) <= services.keys()
        named = {volume.split(":")[0] for volume in service.get("volumes", ()) if not volume.startswith(".")}
        assert named <= compose["volumes"].keys()
        assert {secret["source"] for secret in service.get("secrets", ())} <= compose["secrets"].keys()


def test_images_are_pinned_and_ports_stay_on_this_machine(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert ("build" in service) == (name == "indexer")
        assert "build" in service or re.search(r":v?[0-9]", service["image"])
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_no_password_stands_in_the_file(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "USERS" in name:
                assert re.search(r"\$\{[A-Z_]+:\?", value), name
    assert compose["secrets"]["orthanc-password"] == {"environment": "ORTHANC_PASSWORD"}


def test_the_mounted_configuration_fits_the_services(compose: dict[str, Any], tmp_path: Path) -> None:
    indexer = compose["services"]["indexer"]
    mounted, place, mode = indexer["volumes"][0].split(":")
    assert (place, mode) == (str(DEFAULT_FILE), "ro")
    (tmp_path / "orthanc-password").write_text("secret")
    file = tmp_path / "config.yaml"
    file.write_text((ROOT / mounted).read_text().replace("/run/secrets", str(tmp_path)))
    loaded = config.load(file, {}).config
    (source,) = loaded.sources
    assert source.orthanc == "http://orthanc:8042"
    assert source.stable_age_s == float(compose["services"]["orthanc"]["environment"]["ORTHANC__STABLE_AGE"])
    assert f'"{source.username}":' in compose["services"]["orthanc"]["environment"]["ORTHANC__REGISTERED_USERS"]
    assert loaded.target.fhir == "http://hapi:8080/fhir"
    ledger = Path(loaded.ledger_url.removeprefix("sqlite:///"))
    assert f"indexer-ledger:{ledger.parent}" in indexer["volumes"]


def test_the_container_runs_with_little(compose: dict[str, Any]) -> None:
    indexer = compose["services"]["indexer"]
    assert indexer["read_only"] is True
    assert indexer["cap_drop"] == ["ALL"]
    assert indexer["secrets"][0]["uid"] in re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)


def test_the_header_says_what_was_not_tried() -> None:
    header = FILE.read_text().split("\nname:")[0]
    assert "What was tried" in header
    assert "What was not tried" in header
    assert "no Docker daemon" in header


def test_the_image_is_built_from_the_lock_and_has_what_it_copies() -> None:
    assert "--require-hashes --requirement /tmp/run.txt" in DOCKERFILE
    assert "VOLUME /var/lib/dicom-fhir-indexer\n" in DOCKERFILE
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE)
    assert copied
    for path in copied:
        assert (ROOT / path).exists()
        assert f"!{path}" in ignored
