"""Things that are built once per machine and kept outside the repository."""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass
class BuildTimes:
    """How long a build took, and how much of it was downloading.

    Attributes
    ----------
    name
        What was built.
    total_s
        Wall time of the build in seconds.
    download_s
        The part of ``total_s`` that was spent in steps that only fetch.
    """

    name: str
    total_s: float = 0.0
    download_s: float = 0.0


builds: list[BuildTimes] = []
"""The builds that this process did, in order; empty when all was in the cache."""


def cache_dir() -> Path:
    """Return the cache directory of this user, made if missing."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(home) / "dicom-fhir-indexer"
    path.mkdir(parents=True, exist_ok=True)
    return path


def digest(files: Iterable[Path]) -> str:
    """Return a short hash over names and contents, the part of a cache name that says which sources."""
    sha = hashlib.sha256()
    for file in sorted(files):
        sha.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return sha.hexdigest()[:12]


def built(name: str, build: Callable[[Path, BuildTimes], None]) -> Path:
    """Return the cached directory ``name``, built first if missing.

    The build happens in a directory beside it, which gets its final name only when all went well; a second
    process that wants the same waits for the first.

    Parameters
    ----------
    name
        Name of the directory in the cache.
    build
        Fills the empty directory that it gets; adds to ``download_s`` what it spent fetching.
    """
    final = cache_dir() / name
    if final.is_dir():
        return final
    with (cache_dir() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not final.is_dir():
            _build(final, build)
    return final


def _build(final: Path, build: Callable[[Path, BuildTimes], None]) -> None:
    print(f"building {final.name} (once, kept in {final.parent})", file=sys.stderr, flush=True)
    times = BuildTimes(final.name)
    start = time.monotonic()
    draft = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    try:
        build(draft, times)
        draft.chmod(0o755)
        draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    times.total_s = time.monotonic() - start
    builds.append(times)
    print(
        f"built {final.name} in {times.total_s:.0f} s, {times.download_s:.0f} s of it downloading",
        file=sys.stderr,
        flush=True,
    )
