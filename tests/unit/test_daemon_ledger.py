"""The daemon as a process, while the files of its ledger are deleted or replaced."""

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.fhir import FakeFhir
from tests.fakes.orthanc import FakeOrthanc
from tests.samples import generate, store_rest
from tests.site import Site, wait_for

EX_TEMPFAIL = 75
NOTICED_S = 60.0


def delete_all(home: Path) -> None:
    for path in home.glob("ledger.db*"):
        path.unlink()


def delete_file(home: Path) -> None:
    (home / "ledger.db").unlink()


def delete_log(home: Path) -> None:
    (home / "ledger.db-wal").unlink()


def delete_index(home: Path) -> None:
    (home / "ledger.db-shm").unlink()


def replace(home: Path) -> None:
    shutil.copy(home / "ledger.db", home / "copy.db")
    (home / "copy.db").rename(home / "ledger.db")


@pytest.fixture
def fhir() -> Iterator[FakeFhir]:
    with FakeFhir() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, fhir: FakeFhir) -> Iterator[Site]:
    with FakeOrthanc() as orthanc:
        top = {"settle": {"quiet": "0s", "margin": "0s", "max_wait": "60s"}}
        yield Site(home=tmp_path, orthanc=orthanc, fhir=fhir.url, source={"stable_age": "0s"}, top=top)


@contextlib.contextmanager
def first_daemon(site: Site, fhir: FakeFhir) -> Iterator[subprocess.Popen[str]]:
    """One that has published a study."""
    store_rest(site.orthanc, generate(1, seed="first"))
    process = subprocess.Popen(site.command("run"), stderr=subprocess.PIPE, text=True)
    with process as daemon:
        try:
            wait_for(lambda: len(fhir.of_type("ImagingStudy")) == 1, "the first study")
            yield daemon
        finally:
            daemon.kill()


@pytest.mark.parametrize("harm", [delete_all, delete_file, delete_log, delete_index, replace])
def test_it_ends_and_says_so(site: Site, fhir: FakeFhir, harm: Callable[[Path], None]) -> None:
    with first_daemon(site, fhir) as daemon:
        harm(site.home)
        _, errors = daemon.communicate(timeout=NOTICED_S)
        assert daemon.returncode == EX_TEMPFAIL
        assert "was deleted or replaced while the program ran" in errors
        assert "run 'backfill'" in errors
    with site.daemon():
        store_rest(site.orthanc, generate(1, seed="after"))
        wait_for(lambda: len(fhir.of_type("ImagingStudy")) == 2, "the other study")
    assert site.verify()["equal"]


def test_a_second_daemon_in_a_new_ledger_is_alone_soon(site: Site, fhir: FakeFhir) -> None:
    with first_daemon(site, fhir) as daemon:
        delete_all(site.home)
        with site.daemon():
            assert daemon.wait(NOTICED_S) == EX_TEMPFAIL
            store_rest(site.orthanc, generate(1, seed="second"))
            wait_for(lambda: len(fhir.of_type("ImagingStudy")) == 2, "the second study")
    assert site.verify()["equal"]
