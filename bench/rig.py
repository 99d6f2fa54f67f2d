"""What the benchmarks share: servers, a site, timing."""

from __future__ import annotations

import contextlib
import platform
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.servers.hapi import Hapi
from tests.servers.orthanc import Orthanc

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def servers(*, stable_age_s: int = 1) -> Iterator[tuple[Orthanc, Hapi, Path]]:
    """A fresh Orthanc 1.12, a fresh HAPI R4 and an empty folder."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        Orthanc("1.12", stable_age_s=stable_age_s) as orthanc,
        Hapi() as hapi,
    ):
        print(
            f"machine: {psutil.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GiB, Python "
            f"{platform.python_version()}; Orthanc {orthanc.version} (SQLite), HAPI 8.8.0 R4 (H2 in memory), loopback",
            flush=True,
        )
        yield orthanc, hapi, Path(home)


class Stopwatch:
    """Wall time of a block."""

    def __enter__(self) -> Stopwatch:
        self.seconds = 0.0
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._began


def spread(values: list[float], unit: str = "s") -> str:
    """Median, least and greatest of several runs."""
    ordered = sorted(values)
    middle = ordered[len(ordered) // 2]
    return f"median {middle:.2f} {unit} (min {ordered[0]:.2f}, max {ordered[-1]:.2f}, {len(values)} runs)"
