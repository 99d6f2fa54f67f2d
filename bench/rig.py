"""What the benchmarks share: servers, a site, timing."""

from __future__ import annotations

import contextlib
import io
import platform
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import requests

from indexer.sync.drain.study_reader import STUDIES_AT_ONCE
from tests.samples.datasets import to_bytes
from tests.servers.hapi import Hapi
from tests.servers.orthanc import Orthanc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pydicom.dataset import Dataset

    from indexer.model import StudyLocation

# While it is filled and measured nothing becomes stable: Orthanc's DICOMweb plugin would read each series whole then,
# for minutes. A backfill does not need it, and single instances are not read from that cache.
STABLE_AGE_S = 24 * 3600


@contextlib.contextmanager
def servers() -> Iterator[tuple[Orthanc, Hapi, Path]]:
    """A fresh Orthanc 1.12, a fresh HAPI R4 and an empty folder."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        Orthanc("1.12", stable_age_s=STABLE_AGE_S) as orthanc,
        Hapi() as hapi,
    ):
        print(
            f"machine: {psutil.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GiB, Python "
            f"{platform.python_version()}; Orthanc {orthanc.version} (SQLite), HAPI 8.8.0 R4 (H2 in memory), loopback",
            flush=True,
        )
        yield orthanc, hapi, Path(home)


def store_zips(orthanc: Orthanc, parts: Iterable[Callable[[], list[Dataset]]]) -> int:
    """Store through Orthanc's REST API, a ZIP file per part: one request for each instance takes twice as long.

    Returns
    -------
    How many instances were stored.
    """

    def send(part: Callable[[], list[Dataset]]) -> int:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for number, dataset in enumerate(part()):
                archive.writestr(f"{number}.dcm", to_bytes(dataset))
        answer = requests.post(f"{orthanc.url}/instances", data=packed.getvalue(), timeout=600)
        answer.raise_for_status()
        assert {one["Status"] for one in answer.json()} == {"Success"}
        return len(answer.json())

    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(send, parts))


def at_once(locations: Sequence[StudyLocation]) -> list[Sequence[StudyLocation]]:
    """Studies as a reader takes them."""
    return [locations[start : start + STUDIES_AT_ONCE] for start in range(0, len(locations), STUDIES_AT_ONCE)]


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
