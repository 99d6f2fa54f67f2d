"""Changes of what an Orthanc already holds, as its users make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from tests.samples.senders import store_rest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydicom.dataset import Dataset

    from tests.samples.senders import Archive

_TIMEOUT_S = 60


def store_anew(orthanc: Archive, datasets: Sequence[Dataset]) -> None:
    """Put datasets in the place of the studies that bear their UIDs: a correction that keeps every UID."""
    _delete(orthanc, {str(one.StudyInstanceUID) for one in datasets})
    store_rest(orthanc, datasets)


def delete_series(orthanc: Archive, series_instance_uid: str) -> None:
    """Delete one series of a study."""
    _delete(orthanc, [series_instance_uid])


def _delete(orthanc: Archive, uids: Iterable[str]) -> None:
    for uid in uids:
        found = requests.post(f"{orthanc.url}/tools/lookup", data=uid, auth=orthanc.auth, timeout=_TIMEOUT_S)
        found.raise_for_status()
        for one in found.json():
            gone = requests.delete(f"{orthanc.url}{one['Path']}", auth=orthanc.auth, timeout=_TIMEOUT_S)
            gone.raise_for_status()
