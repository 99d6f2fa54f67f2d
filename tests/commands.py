"""The command line in processes of their own, forked from one that has imported everything: real and quick."""

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from indexer.cli import main

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.everything"])


def start(arguments: list[str], output: Path, *, kill_at: str | None = None) -> ForkServerProcess:
    """Start one command.

    Parameters
    ----------
    output
        File that standard output goes to; standard error goes to the same name with ``.err``, appended.
    kill_at
        Point at whose first pass the process kills itself, see `tests.chaos.killer`.
    """
    process = _CONTEXT.Process(target=_run, args=(arguments, str(output), kill_at), daemon=True)
    process.start()
    return process


def _run(arguments: list[str], output: str, kill_at: str | None) -> None:
    _redirect(output, 1, os.O_TRUNC)
    _redirect(f"{output}.err", 2, os.O_APPEND)
    if kill_at is not None:
        from tests.chaos.killer import arm

        arm(kill_at)
    sys.exit(main(arguments))


def _redirect(path: str, to: int, how: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600)
    os.dup2(descriptor, to)
    os.close(descriptor)
