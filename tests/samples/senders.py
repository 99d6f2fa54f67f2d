"""Ways into an Orthanc: DIMSE as a modality would, STOW-RS as a web client would, Orthanc's own REST API; and out."""

import logging
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

import requests
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context, evt

from tests.samples.datasets import to_bytes

_PARALLEL: Final = 4
_TIMEOUT_S: Final = 60
_SUCCESS: Final = 0x0000

# It logs identifiers at INFO.
logging.getLogger("pynetdicom").setLevel(logging.ERROR)


class Archive(Protocol):
    """What a sender needs of an Orthanc."""

    @property
    def url(self) -> str: ...
    @property
    def dicomweb_url(self) -> str: ...
    @property
    def auth(self) -> tuple[str, str] | None: ...
    @property
    def dicom_port(self) -> int: ...
    @property
    def aet(self) -> str: ...


def store_dimse(orthanc: Archive, datasets: Sequence[Dataset], *, associations: int = 1) -> None:
    """Send over C-STORE, in order, dealt out to parallel associations.

    Raises
    ------
    RuntimeError
        If an association or an instance is refused.
    """
    shares = [share for share in (list(datasets[start::associations]) for start in range(associations)) if share]
    with ThreadPoolExecutor(associations) as pool:
        list(pool.map(lambda share: _associate(orthanc, share), shares))


def _associate(orthanc: Archive, datasets: Sequence[Dataset]) -> None:
    entity = AE(ae_title="MODALITY")
    kinds = sorted({(one.SOPClassUID, one.file_meta.TransferSyntaxUID) for one in datasets})
    contexts = [build_context(sop_class, syntax) for sop_class, syntax in kinds]
    association = entity.associate(
        "127.0.0.1",
        orthanc.dicom_port,
        contexts=contexts,
        ae_title=orthanc.aet,
        evt_handlers=[(evt.EVT_CONN_OPEN, _send_at_once), (evt.EVT_DATA_SENT, _acknowledge_at_once)],
    )
    if not association.is_established:
        raise RuntimeError("Orthanc refuses the association")
    parked = association._reactor_checkpoint = _Parked()
    parked.reached.wait(_TIMEOUT_S)
    try:
        for dataset in datasets:
            status = association.send_c_store(dataset)
            if status.get("Status") != _SUCCESS:
                raise RuntimeError(f"Orthanc refuses an instance: {status.get('Status')}")
    finally:
        association.release()
        parked.open()


class _Parked(threading.Event):
    """Keeps pynetdicom's reactor asleep while we send.

    pynetdicom 3.0 pauses it anew for each message, and once in a thousand it is awake long enough to take our answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.reached.set()
        return super().wait(timeout)

    def set(self) -> None:
        """Stay closed."""

    def open(self) -> None:
        super().set()


# Both ends write an answer in two small packets: without these, each instance would wait 40 ms for a delayed TCP
# acknowledgement.
def _send_at_once(event: evt.Event) -> None:
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _acknowledge_at_once(event: evt.Event) -> None:
    # Linux only, and the kernel forgets it, so it is set before each answer.
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def store_stow(orthanc: Archive, datasets: Sequence[Dataset]) -> None:
    """Send all in one STOW-RS request (PS3.18 2024e, section 10.5)."""
    boundary = b"sample-boundary"
    parts = [
        b"--" + boundary + b"\r\nContent-Type: application/dicom\r\n\r\n" + to_bytes(one) + b"\r\n" for one in datasets
    ]
    kind = f'multipart/related; type="application/dicom"; boundary={boundary.decode()}'
    with _session(orthanc) as session:
        answer = session.post(
            f"{orthanc.dicomweb_url}/studies",
            data=b"".join(parts) + b"--" + boundary + b"--\r\n",
            headers={"Content-Type": kind, "Accept": "application/dicom+json"},
            timeout=_TIMEOUT_S,
        )
    answer.raise_for_status()


def store_rest(orthanc: Archive, datasets: Sequence[Dataset], *, parallel: int = _PARALLEL) -> list[str]:
    """Send each to Orthanc's own API; the quickest way in.

    Returns
    -------
    Orthanc ids of the instances, in order.
    """

    def send(share: list[tuple[int, Dataset]]) -> list[tuple[int, str]]:
        with _session(orthanc) as session:
            return [(place, _post(session, orthanc, dataset)) for place, dataset in share]

    numbered = list(enumerate(datasets))
    with ThreadPoolExecutor(parallel) as pool:
        shares = pool.map(send, (numbered[start::parallel] for start in range(parallel)))
        return [location_id for _, location_id in sorted(pair for share in shares for pair in share)]


def _post(session: requests.Session, orthanc: Archive, dataset: Dataset) -> str:
    answer = session.post(f"{orthanc.url}/instances", data=to_bytes(dataset), timeout=_TIMEOUT_S)
    answer.raise_for_status()
    return str(answer.json()["ID"])


def _session(orthanc: Archive) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.auth = orthanc.auth
    return session


def store_anew(orthanc: Archive, datasets: Sequence[Dataset]) -> None:
    """Put datasets in the place of the studies that bear their UIDs: a correction that keeps every UID."""
    delete(orthanc, *{str(dataset.StudyInstanceUID) for dataset in datasets})
    store_rest(orthanc, datasets)


def delete(orthanc: Archive, *uids: str) -> None:
    """Delete what bears these UIDs: studies, series or instances."""
    with _session(orthanc) as session:
        for uid in uids:
            for path in _paths(session, orthanc, uid):
                session.delete(f"{orthanc.url}{path}", timeout=_TIMEOUT_S).raise_for_status()


def modify(orthanc: Archive, uid: str, **replaced: str) -> None:
    """Let Orthanc itself replace attributes of what bears a UID, by keyword; every UID stays."""
    kept = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
    order = {"Replace": replaced, "Keep": kept, "Force": True}
    with _session(orthanc) as session:
        for path in _paths(session, orthanc, uid):
            session.post(f"{orthanc.url}{path}/modify", json=order, timeout=_TIMEOUT_S).raise_for_status()


def _paths(session: requests.Session, orthanc: Archive, uid: str) -> list[str]:
    """Paths of the resources that bear a UID."""
    resources = session.post(f"{orthanc.url}/tools/lookup", data=uid, timeout=_TIMEOUT_S)
    resources.raise_for_status()
    return [str(resource["Path"]) for resource in resources.json()]
