"""Things that are built once per machine and kept outside the repository."""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path


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


def built(name: str, build: Callable[[Path], None]) -> Path:
    """Return the cached directory ``name``, built first if missing.

    The build happens in a directory beside it, which gets its final name only when all went well; a second
    process that wants the same waits for the first.

    Parameters
    ----------
    name
        Name of the directory in the cache.
    build
        Fills the empty directory that it gets.
    """
    final = cache_dir() / name
    if final.is_dir():
        return final
    with (cache_dir() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not final.is_dir():
            _build(final, build)
    return final


def _build(final: Path, build: Callable[[Path], None]) -> None:
    print(f"building {final.name} (once, kept in {final.parent})", file=sys.stderr, flush=True)
    start = time.monotonic()
    draft = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    try:
        build(draft)
        draft.chmod(0o755)
        draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    print(f"built {final.name} in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
