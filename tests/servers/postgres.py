"""A real PostgreSQL server with a data directory of its own, from the host's package."""

import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path
from signal import SIGINT
from typing import Self

import psutil
import psycopg
from psycopg import sql

from tests.servers.process import Server, ServerError, free_port

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


class Postgres(Server):
    """A PostgreSQL server on loopback, with no Unix socket.

    The data survives ``stop`` and ``kill``, not ``close``. PostgreSQL refuses to run as root; root runs it as the
    package's user ``postgres``.

    Parameters
    ----------
    outlives_parent
        See ``Server``.
    """

    stop_signal = SIGINT  # "fast": open connections are cut

    def __init__(self, *, outlives_parent: bool = False) -> None:
        super().__init__("postgres", outlives_parent=outlives_parent)
        self._programs = _programs()
        self._user = "postgres" if os.geteuid() == 0 else None
        self._password = secrets.token_urlsafe(12)
        self.port = free_port()
        self.url = self.url_of("postgres")
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

    def create_database(self, name: str | None = None) -> str:
        """Create an empty database, with a name of its own when none is given, and return its URL."""
        database = name or f"test_{secrets.token_hex(4)}"
        with self._connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        return self.url_of(database)

    def execute(self, *statements: str) -> None:
        """Carry out statements as the superuser, each by itself."""
        with self._connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())

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
        argv: list[str | Path] = [self._programs / "postgres", "-D", self.directory / "data"]
        argv += ["-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        # Safe against the death of every process, which is all that a test can cause; not against a power cut.
        argv += ["-c", "fsync=off"]
        return self._launch(
            argv,
            self._answers,
            deadline_s=_START_DEADLINE_S,
            cwd=Path("/"),
            user=self._user,
        )

    def kill(self) -> None:
        """Kill the server at once; its data stays.

        The other processes of the server see that the first is gone and end; a new start before that is refused.
        """
        others = psutil.Process(self.pid).children() if self.pid else []
        super().kill()
        psutil.wait_procs(others, timeout=_START_DEADLINE_S)

    def close(self) -> None:
        """Stop the server in good order, so that none of its processes is left, and delete its data."""
        self.stop()
        super().close()
