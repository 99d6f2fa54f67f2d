"""A real PostgreSQL server with a data directory of its own, from the host's package."""

import os
import re
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from signal import SIGINT
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from tests.servers.process import Process, ServerError, free_port

_START_DEADLINE_S = 60


def _programs() -> Path:
    """Return the directory that holds ``initdb`` and ``postgres``; Debian keeps it off the path."""
    if (found := shutil.which("initdb")) is not None:
        return Path(os.path.realpath(found)).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_major)
    if not versions:
        raise ServerError("no PostgreSQL server found; scripts/install-system.sh installs one")
    return versions[-1].parent


def _major(path: Path) -> int:
    match = re.search(r"/(\d+)/bin/", str(path))
    return int(match[1]) if match else 0


class Postgres:
    """A PostgreSQL server on loopback, with no Unix socket.

    Use it as a context manager, or call ``start`` and ``close``. PostgreSQL refuses to run as root; root runs it
    as the package's user ``postgres``.

    Parameters
    ----------
    outlives_parent
        Leave the server running, with its data, when this process ends.
    """

    def __init__(self, *, outlives_parent: bool = False) -> None:
        self._programs = _programs()
        self._user = "postgres" if os.geteuid() == 0 else None
        self._password = secrets.token_urlsafe(12)
        self._outlives_parent = outlives_parent
        self._process: Process | None = None
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.log_path = self.directory / "postgres.log"
        self._initialise()

    def _initialise(self) -> None:
        password_file = self.directory / "password"
        password_file.write_text(self._password)
        if self._user is not None:
            shutil.chown(self.directory, self._user, self._user)
            shutil.chown(password_file, self._user, self._user)
        argv = [str(self._programs / "initdb"), "--pgdata", str(self.directory / "data"), "--no-sync"]
        argv += ["--username=postgres", f"--pwfile={password_file}", "--auth=scram-sha-256"]
        argv += ["--encoding=UTF8", "--locale=C.UTF-8"]
        done = subprocess.run(
            argv,
            cwd="/",
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ServerError(f"initdb failed with code {done.returncode}:\n{done.stderr[-2000:]}")

    def url_of(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres:{self._password}@127.0.0.1:{self.port}/{database}"

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database ``postgres``, which is there from the start."""
        return self.url_of("postgres")

    @property
    def pid(self) -> int | None:
        """The number of the server's first process, None while it is stopped."""
        return self._process.pid if self._process else None

    def create_database(self, name: str | None = None) -> str:
        """Create an empty database, with a name of its own when none is given, and return its URL."""
        database = name or f"test_{secrets.token_hex(4)}"
        with self._connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        return self.url_of(database)

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            password=self._password,
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        )

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self) -> Self:
        """Start the server and wait until it answers; what it stored before is still there.

        Raises
        ------
        ServerError
            It did not answer within a minute.
        """
        argv: list[str | Path] = [self._programs / "postgres", "-D", self.directory / "data"]
        argv += ["-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        self._process = Process(
            argv,
            log_path=self.log_path,
            cwd=Path("/"),
            user=self._user,
            outlives_parent=self._outlives_parent,
        )
        self._process.wait_until(self._answers, deadline_s=_START_DEADLINE_S)
        return self

    def stop(self) -> None:
        """Stop the server in good order, open connections or not; the data stays."""
        if self._process:
            self._process.stop(with_signal=SIGINT)
            self._process = None

    def kill(self) -> None:
        """Kill the server's first process at once; the others notice it and end. The data stays."""
        if self._process:
            self._process.kill()
            self._process = None

    def close(self) -> None:
        """Stop the server and delete its data."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
