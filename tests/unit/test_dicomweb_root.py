"""Where DICOMweb is: set, found, or the usual place; and what readers of the FHIR server are told of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from indexer import config
from indexer.cli.compose import Site
from indexer.errors import Unavailable
from indexer.model import EndpointState
from tests.fakes.orthanc import FakeOrthanc, Reply
from tests.samples import generate, store_rest

FOUND = Reply(body=b'{"RootUri": "../pacs/dw/app/client/index.html"}')
PUBLIC = "https://pacs.example.org/dicom-web"


@pytest.fixture
def fake() -> Iterator[FakeOrthanc]:
    with FakeOrthanc() as made:
        yield made


@contextmanager
def site(home: Path, fake: FakeOrthanc, **keys: Any) -> Iterator[Site]:
    """The real edges to a fake Orthanc; the FHIR server is not asked."""
    content = {
        "sources": [{"name": "main", "orthanc": fake.url, "patient_id_system": "urn:oid:1.2.3", **keys}],
        "target": {"fhir": "http://127.0.0.1:9/fhir", "release": "R4", "retry": {"initial": "50ms", "max": "50ms"}},
        "ledger": f"sqlite:///{home / 'ledger.db'}",
    }
    path = home / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    path.chmod(0o600)
    made = Site(config.load(path, {}).config)
    yield made
    made.ledger.close()


def address(made: Site) -> str:
    return str(made.endpoints["main"]()["address"])


def asked(fake: FakeOrthanc) -> int:
    return sum(path == "/plugins/dicom-web" for _, path in fake.requests)


def test_the_endpoint_follows_the_root_that_orthanc_tells(tmp_path: Path, fake: FakeOrthanc) -> None:
    fake.inject(lambda _: FOUND, path="/plugins/", times=9)

    with site(tmp_path, fake) as made:
        assert address(made) == f"{fake.url}/pacs/dw"
        assert asked(fake) == 1


def test_a_root_that_is_set_is_not_asked_for(tmp_path: Path, fake: FakeOrthanc) -> None:
    fake.inject(lambda _: FOUND, path="/plugins/", times=9)

    with site(tmp_path, fake, dicomweb_root="/mine/") as made:
        assert address(made) == f"{fake.url}/mine"
        assert asked(fake) == 0


def test_the_endpoint_keeps_its_id_when_the_root_moves(tmp_path: Path, fake: FakeOrthanc) -> None:
    with site(tmp_path, fake) as made:
        fhir_id = made.ids.endpoints(["main"])["main"]
        assert fhir_id is not None
        made.ledger.put_endpoint(EndpointState(source="main", fhir_id=fhir_id, fingerprint="f"), fhir_id)
    fake.inject(lambda _: FOUND, path="/plugins/", times=9)

    with site(tmp_path, fake) as made:
        assert made.ids.endpoints(["main"]) == {"main": fhir_id}
        assert made.endpoints["main"]()["identifier"][0]["value"] == f"urn:uuid:{fhir_id}"
        assert address(made) == f"{fake.url}/pacs/dw"


def test_a_public_address_needs_no_orthanc_and_a_study_asks_for_the_root_once(
    tmp_path: Path, fake: FakeOrthanc
) -> None:
    store_rest(fake, generate(series=2))
    fake.settings["StorageAccessOnFind"] = "Never"

    with site(tmp_path, fake, dicomweb=PUBLIC) as made:
        assert address(made) == PUBLIC
        assert asked(fake) == 0
        source = made.configured["main"]
        (location,) = made.sources["main"].list_locations()
        for _ in range(2):
            study, _ = made.reader.studies.read((location,))
            assert [len(series.sampled) for series in study.series] == [1, 1]
        assert source.samples is not None
        assert asked(fake) == 1


def test_no_root_is_guessed_while_orthanc_is_away(tmp_path: Path, fake: FakeOrthanc) -> None:
    fake.inject(lambda _: Reply(503), path="/plugins/", times=2)
    fake.inject(lambda _: FOUND, path="/plugins/", times=9)

    with site(tmp_path, fake) as made:
        with pytest.raises(Unavailable):
            address(made)
        with pytest.raises(Unavailable):
            address(made)
        assert address(made) == f"{fake.url}/pacs/dw"
        assert asked(fake) == 3
