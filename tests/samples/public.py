"""The public DICOM files of pydicom and of the package pydicom-data, as they are: some are odd on purpose."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import requests

from tests.samples.senders import Archive

_FOLDERS: Final = (("pydicom", "data/test_files"), ("pydicom", "data/charset_files"), ("data_store", "data"))
_NOT_DICOM: Final = frozenset({".txt", ".dump", ".json", ".gz", ".icc", ".py", ".pyc", ".zip", ".md"})


def public_files() -> list[Path]:
    """Every file that may be DICOM; found by folder, because pydicom's own lookup downloads what it misses."""
    found = []
    for package, folder in _FOLDERS:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise RuntimeError(f"the package {package} is not installed")
        found += [path for path in (Path(spec.origin).parent / folder).rglob("*") if path.is_file()]
    return sorted(path for path in found if path.suffix.lower() not in _NOT_DICOM)


def store_files(orthanc: Archive, paths: Iterable[Path]) -> int:
    """Send files as they are over Orthanc's own API; how many it took (it refuses what it cannot parse)."""
    taken = 0
    with requests.Session() as session:
        session.trust_env = False
        session.auth = orthanc.auth
        for path in paths:
            answer = session.post(f"{orthanc.url}/instances", data=path.read_bytes(), timeout=60)
            taken += answer.status_code == 200 and isinstance(answer.json(), dict)
    return taken
