"""Child processes that are watched: own session, log in a file, readiness with a deadline, stop by handle.

A server that the tests start must never outlive them. The kernel kills it when the thread that started it
ends (``prctl(2)``, PR_SET_PDEATHSIG), so all children are started by one thread that lives as long as this
process; otherwise a server started in a short-lived worker thread would die with that thread.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

_POLL_S = 0.05
_LOG_TAIL_LINES = 30
# Below the kernel's range for outgoing connections (32768 and up), so that nobody takes a port between two
# starts of the same server.
_FIRST_PORT, _LAST_PORT = 20000, 32000

_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
_ports_given: set[int] = set()


class ServerError(RuntimeError):
    """A server did not start, or ended when nobody asked it to."""


def free_port() -> int:
    """Find a TCP port that nobody listens on; no number is given twice by the processes of one run of tests.

    Returns
    -------
    A port number between 20000 and 32000.
    """
    for port in random.sample(_ports(), k=1000):
        if port not in _ports_given and _can_bind(port):
            _ports_given.add(port)
            return port
    raise ServerError("no free TCP port between 20000 and 32000")


def _ports() -> range:
    """The part of the ports that belongs to this one of pytest-xdist's processes: two must not try the same."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return range(_FIRST_PORT + number, _LAST_PORT, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True


def answers(url: str, auth: tuple[str, str] | None = None, *, timeout_s: float = 2) -> bool:
    """Tell whether ``GET url`` answers 200 in time."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, auth=auth, timeout=timeout_s, allow_redirects=False).status_code == 200
        except requests.RequestException:
            return False


class Process:
    """A running child process.

    Parameters
    ----------
    argv
        Program and arguments.
    log_path
        File that receives standard output and standard error; appended to.
    env
        The whole environment of the child; None for the parent's.
    cwd
        Working directory of the child.
    user
        Name of the user to run as; only root may give one.
    outlives_parent
        Leave the child running when this process ends. Otherwise the kernel kills it then.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        log_path: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        outlives_parent: bool = False,
    ) -> None:
        self.log_path = log_path
        self._name = Path(argv[0]).name
        leash = [] if outlives_parent else ["setpriv", "--pdeathsig", "KILL", "--"]
        with log_path.open("ab") as log:
            self._popen = _spawner.submit(
                subprocess.Popen,
                [*leash, *map(str, argv)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                start_new_session=True,
            ).result()

    @property
    def pid(self) -> int:
        """The number of the server process itself (the launcher in front of it has replaced itself)."""
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._popen.poll() is None

    def wait_until(self, is_ready: Callable[[], bool], *, deadline_s: float) -> None:
        """Poll a condition; the process is stopped when it does not come true.

        Raises
        ------
        ServerError
            The process ended, or the deadline passed. The text ends with the last lines of the log.
        """
        end = time.monotonic() + deadline_s
        while not is_ready():
            if not self.is_running:
                raise ServerError(f"{self._name} ended with code {self._popen.returncode}\n{self.log_tail()}")
            if time.monotonic() > end:
                self.stop()
                raise ServerError(f"{self._name} was not ready after {deadline_s:.0f} s\n{self.log_tail()}")
            time.sleep(_POLL_S)

    def log_tail(self) -> str:
        """Return the last lines of the log."""
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_LOG_TAIL_LINES:])

    def stop(self, *, grace_s: float = 10, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """Ask the process to end; kill it when it has not done so after ``grace_s`` seconds."""
        if self.is_running:
            self._popen.send_signal(with_signal)
        try:
            self._popen.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill the process at once (SIGKILL) and wait for its end."""
        if self.is_running:
            self._popen.kill()
        self._popen.wait()


class Server(ABC):
    """A server with a scratch directory of its own; a context manager that starts and closes it.

    Parameters
    ----------
    name
        First part of the scratch directory's name and of the log's.
    outlives_parent
        Leave the server running, with its scratch directory, when this process ends.

    Attributes
    ----------
    directory
        The scratch directory; ``close`` deletes it.
    log_path
        What the server printed, over all its starts.
    url
        Where its API is.
    """

    stop_signal = signal.SIGTERM
    url: str

    def __init__(self, name: str, *, outlives_parent: bool) -> None:
        self._outlives_parent = outlives_parent
        self._process: Process | None = None
        self.directory = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self.log_path = self.directory / f"{name}.log"

    @abstractmethod
    def start(self) -> Self:
        """Start the server and wait until it answers.

        Raises
        ------
        ServerError
            It did not answer in time.
        """

    def addresses(self) -> list[str]:
        """Return what a person needs to use the server, one line each."""
        return [self.url]

    def _launch(
        self,
        argv: Sequence[str | Path],
        is_ready: Callable[[], bool],
        *,
        deadline_s: float,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
    ) -> Self:
        self._process = Process(
            argv,
            log_path=self.log_path,
            env=env,
            cwd=cwd,
            user=user,
            outlives_parent=self._outlives_parent,
        )
        self._process.wait_until(is_ready, deadline_s=deadline_s)
        return self

    @property
    def pid(self) -> int | None:
        """The number of the server process, None while it is stopped."""
        return self._process.pid if self._process else None

    def stop(self) -> None:
        """Stop the server in good order; what it keeps on disk stays, what it keeps in memory is gone."""
        if self._process:
            self._process.stop(with_signal=self.stop_signal)
            self._process = None

    def kill(self) -> None:
        """Kill the server at once, as a power cut would; what it keeps on disk stays."""
        if self._process:
            self._process.kill()
            self._process = None

    def close(self) -> None:
        """End the server without ceremony and delete its scratch directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except ServerError:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
