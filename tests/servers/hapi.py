"""A real HAPI FHIR JPA server (R4, R4B or R5) on H2, built once from Maven Central."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Literal, Self

import requests

from tests.servers.cache import built, digest
from tests.servers.process import Process, Server, ServerError, answers, free_port

Release = Literal["r4", "r4b", "r5"]

_SOURCES = Path(__file__).parent / "hapi"
_START_DEADLINE_S = 180
_SHARED_CLASSES = "classes.jsa"
_IN_MEMORY = "jdbc:h2:mem:fhir;DB_CLOSE_DELAY=-1"  # empty after each start
_ON_DISK = "jdbc:h2:file:{};WRITE_DELAY=0"  # what was committed survives a kill
# A test server lives for minutes: the second compiler and the parallel collector cost more than they give.
_JVM_FLAGS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xmx2g")


def prepare_hapi() -> None:
    """Download and build the server, so that a later start is quick."""
    _installed()


def _installed() -> Path:
    sources = [path for path in _SOURCES.rglob("*") if path.is_file() and "target" not in path.parts]
    return built(f"hapi-{digest(sources)}", _build)


def _build(draft: Path) -> None:
    work = draft / "build"
    shutil.copytree(_SOURCES, work, ignore=shutil.ignore_patterns("target"))
    _maven(work, "dependency:go-offline")
    _maven(work, "package")
    shutil.move(work / "target" / "lib", draft / "lib")
    shutil.move(work / "target" / "hapi.jar", draft / "hapi.jar")
    shutil.rmtree(work)
    _share_classes(draft)


def _maven(work: Path, goal: str) -> None:
    argv = ["mvn", "--quiet", "--batch-mode", "--no-transfer-progress", "-Dstyle.color=never", goal]
    done = subprocess.run(argv, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerError(f"mvn {goal} failed with code {done.returncode}:\n{done.stdout[-3000:]}")


def _share_classes(home: Path) -> None:
    """Start the server once and keep its loaded classes: every later start is a third quicker.

    The JVM notes the class path as it was given, so it is given relative to ``home``, which is renamed later.
    """
    scratch = Path(tempfile.mkdtemp(prefix="hapi-"))
    port = free_port()
    flags = [f"-XX:ArchiveClassesAtExit={_SHARED_CLASSES}"]
    argv = _command(home, "r4", port, "/fhir", scratch, _IN_MEMORY, flags)
    process = Process(argv, log_path=scratch / "hapi.log", cwd=home)
    try:
        url = f"http://127.0.0.1:{port}/fhir/metadata"
        process.wait_until(lambda: answers(url, timeout_s=30), deadline_s=_START_DEADLINE_S)
        process.stop(grace_s=120)
    finally:
        process.kill()
        shutil.rmtree(scratch)


def _command(
    home: Path, release: Release, port: int, base_path: str, scratch: Path, database: str, flags: list[str]
) -> list[str]:
    libraries = sorted(str(path.relative_to(home)) for path in (home / "lib").glob("*.jar"))
    class_path = ":".join(["hapi.jar", *libraries])
    temporary = f"-Djava.io.tmpdir={scratch}"
    arguments = ["testserver.Hapi", release, str(port), base_path, database]
    return [_java(), *_JVM_FLAGS, *flags, temporary, "-cp", class_path, *arguments]


def _java() -> str:
    """Return the ``java`` beside ``javac``: the one on the path may be an older runtime."""
    compiler = shutil.which("javac")
    if compiler is None:
        raise ServerError("no JDK found; scripts/install-system.sh installs one")
    return str(Path(os.path.realpath(compiler)).with_name("java"))


class Hapi(Server):
    """A HAPI FHIR server of its own, on loopback.

    Parameters
    ----------
    release
        FHIR release that it serves.
    base_path
        Path of the FHIR base below the host, for example ``/fhir``.
    port
        Port of the API; 0 for a free one.
    is_durable
        Keep what it holds on disk, so that it survives ``stop`` and ``kill``; otherwise it is empty after each start.
    outlives_parent
        See ``Server``.
    """

    def __init__(
        self,
        release: Release = "r4",
        *,
        base_path: str = "/fhir",
        port: int = 0,
        is_durable: bool = False,
        outlives_parent: bool = False,
    ) -> None:
        super().__init__("hapi", outlives_parent=outlives_parent)
        self._home = _installed()
        self.release: Release = release
        self.port = port or free_port()
        self.base_path = base_path
        self.url = f"http://127.0.0.1:{self.port}{base_path}"
        self._database = _ON_DISK.format(self.directory / "fhir") if is_durable else _IN_MEMORY

    def start(self) -> Self:
        flags = [f"-XX:SharedArchiveFile={_SHARED_CLASSES}"]
        argv = _command(self._home, self.release, self.port, self.base_path, self.directory, self._database, flags)
        return self._launch(
            argv,
            lambda: answers(f"{self.url}/metadata", timeout_s=30),
            deadline_s=_START_DEADLINE_S,
            cwd=self._home,
        )

    def wipe(self) -> None:
        """Delete every resource with its history, which is much quicker than a restart."""
        order = {"resourceType": "Parameters", "parameter": [{"name": "expungeEverything", "valueBoolean": True}]}
        with requests.Session() as session:
            session.trust_env = False
            session.post(f"{self.url}/$expunge", json=order, timeout=120).raise_for_status()
