"""The few calls of Orthanc's REST API that are needed, each one read from its database alone."""

from __future__ import annotations

import itertools
import re
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import orjson

from indexer.batched import batched
from indexer.errors import AccessDenied, ProtocolViolation, Refused, Unavailable
from indexer.orthanc.answers import Answer, instances, row, rows
from indexer.orthanc.id_list import IdList
from indexer.orthanc.position import Level, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from indexer.orthanc.answers import ListedInstance
    from indexer.transport import Response, Transport

_PROBE_EVERY_S: Final = 300.0
# Orthanc Book, "Orthanc identifiers": SHA-1 in five groups. Anything else must not get into a path.
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")
# How the plugin tells where its pages are, relative to Orthanc's own: "../dicom-web/app/client/index.html".
_ROOT_URI: Final = re.compile(r"\.\.((?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+)/app/client/index\.html")
_MAX_JSON_LEVELS: Final = 500
_OFFSET: Final = re.compile(r"[1-9][0-9]{0,14}")
# Orthanc maps 1,000 ids up to their studies in 1.3 s on PostgreSQL: fewer at a time keep it free for others.
_CHUNK: Final = 200

_FOLDERS: Final = {Level.STUDY: "/studies", Level.SERIES: "/series", Level.INSTANCE: "/instances"}

# What is asked of each level.
_STUDIES: Final = {"Level": "Study", "ResponseContent": ["Children", "MainDicomTags", "Metadata"]}
_SERIES: Final = {"Level": "Series", "ResponseContent": ["Children", "MainDicomTags", "Metadata", "Parent"]}
_INSTANCES: Final = {"Level": "Instance", "ResponseContent": ["Parent", "MainDicomTags", "Metadata"]}
# With metadata and attachments at hand Orthanc opens a file at once; else it looks both up for each, 5 times as dear.
_DATASETS: Final = {"Level": "Instance", "ResponseContent": ["RequestedTags", "Metadata", "Attachments"]}

_BULK_DENIED: Final = (
    "Give this account POST on /tools/bulk-content and /tools/find: with the authorization plugin, in its "
    "'ExtraPermissions'."
)
_BULK_UNKNOWN: Final = "Orthanc 1.9.4 or newer is needed; check that the address is that of its REST API."


class Client:
    """Orthanc's REST API.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    def __init__(self, transport: Transport, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._probed_at: float | None = None
        self._has_extended_find = False
        self._overwrites = False
        self.peer = transport.peer

    def system(self) -> Answer:
        """``GET /system``."""
        return row(self._get("/system").json(), self.peer)

    def now(self) -> str:
        """``GET /tools/now``, the only answer that is plain text."""
        stamp = self._get("/tools/now").body.decode("ascii", "replace")
        try:
            moment(stamp)
        except ValueError:
            raise ProtocolViolation(f"{self.peer} told no time where one is due", peer=self.peer) from None
        return stamp

    def changes(self, since: int, limit: int) -> Answer:
        """``GET /changes``; 1.10 ignores every other parameter without a word."""
        response = self._get("/changes", params={"since": str(since), "limit": str(limit)})
        return row(response.json(), self.peer)

    def newest_change(self) -> Answer:
        """``GET /changes?last``: the newest row that still exists."""
        return row(self._get("/changes", params={"last": ""}).json(), self.peer)

    def lookup(self, uid: str) -> list[Answer]:
        """``POST /tools/lookup``: resources of any level that bear this value as an identifier."""
        response = self._transport.request("POST", "/tools/lookup", body=uid.encode(), idempotent=True)
        return rows(response.json(), self.peer)

    def study_ids(self, after: str = "") -> Iterator[str]:
        """``GET /studies`` in order, or those after an id.

        All come in one answer, which is read as it arrives: pages would shift while studies come and go. An empty one
        counts only if ``GET /statistics`` says the same.
        """
        ids = IdList(self.peer, after)
        self._get("/studies", take=ids.feed)
        in_order = ids.in_order()
        statistics = row(self._get("/statistics").json(), self.peer) if ids.is_empty else None
        if statistics and statistics.number("CountStudies"):
            raise statistics.violation("list of studies")
        return in_order

    def study(self, orthanc_id: str) -> Answer | None:
        """``GET /studies/{id}``; None if Orthanc does not hold it.

        A proxy may answer 404 to everything for a while. So a 404 counts only if ``tools/bulk-content`` answers as
        well, and leaves the study out.
        """
        study = self.resource(Level.STUDY, orthanc_id)
        if study is None and self._names(orthanc_id):
            raise Unavailable(f"{self.peer} answered 404 for a study that it holds", peer=self.peer)
        return study

    def resource(self, level: Level, orthanc_id: str) -> Answer | None:
        """``GET /studies/{id}``, ``/series/{id}`` or ``/instances/{id}``; None if the answer is 404."""
        path = f"{_FOLDERS[level]}/{self._checked(orthanc_id)}"
        response = self._get(path, params={"short": ""}, accept_statuses=(404,))
        return None if response.status == 404 else row(response.json(), self.peer)

    def _names(self, orthanc_id: str) -> bool:
        """Whether ``tools/bulk-content`` has this resource."""
        try:
            return bool(self.bulk([orthanc_id]))
        except Refused as error:
            if error.status != 404:
                raise
            raise Unavailable(f"{self.peer} answers 404 to everything", peer=self.peer, hint=error.hint) from None

    def bulk(self, resources: Sequence[str], *, level: str | None = None, has_metadata: bool = False) -> list[Answer]:
        """``POST /tools/bulk-content`` in one call; what is gone is left out, the order is Orthanc's own.

        Where a missing resource is lost for good, `indexer.orthanc.presence` makes sure that it is gone.

        Parameters
        ----------
        level
            The level that ids of any level are mapped to; without it each id stays at its own.
        """
        asked: dict[str, object] = {"Resources": list(resources), "Metadata": has_metadata, "Short": True}
        if level is not None:
            asked["Level"] = level
        return rows(self._post("/tools/bulk-content", asked), self.peer)

    def bulk_in_chunks(self, resources: Sequence[str], *, level: str | None = None) -> Iterator[Answer]:
        """The same for any number of ids, a chunk at a time."""
        for chunk in batched(resources, _CHUNK):
            yield from self.bulk(chunk, level=level)

    def find_instances(self, study_id: str, since: int, limit: int) -> list[ListedInstance]:
        """``POST /tools/find`` for a page of a study's instances; only where `has_extended_find`, as the other finds.

        Elsewhere ``ParentStudy`` may be ignored without a word, and the whole archive come back.
        """
        return self._find_instances(ParentStudy=study_id, Since=since, Limit=limit)

    def find_series(self, study_id: str) -> Iterator[Answer]:
        """``POST /tools/find`` for a study's series, each with its list of instances, a page at a time.

        Whatever else expands a series (``/series/{id}``, ``tools/bulk-content``) also makes up its ``Status``, which
        costs an Orthanc on SQLite time in proportion to its whole archive.
        """
        for since in itertools.count(0, _CHUNK):
            page = self._find(_SERIES, ParentStudy=study_id, Since=since, Limit=_CHUNK)
            yield from page
            if len(page) < _CHUNK:
                return

    def find_studies(self, uids: Sequence[str]) -> list[Answer]:
        """``POST /tools/find`` for studies by UID, each with its list of series and its number of instances."""
        return self._find(_STUDIES, Query=_any_of(uids), RequestedTags=["NumberOfStudyRelatedInstances"])

    def find_series_of(self, uids: Sequence[str]) -> list[Answer]:
        """``POST /tools/find`` for the series of several studies, each with its list of instances."""
        return self._find(_SERIES, Query=_any_of(uids))

    def find_instances_of(self, uids: Sequence[str], limit: int) -> list[ListedInstance]:
        """``POST /tools/find`` for the instances of several studies."""
        return self._find_instances(Query=_any_of(uids), Limit=limit)

    def find_datasets(self, sop_instance_uids: Sequence[str], tags: Sequence[str]) -> list[Answer]:
        """``POST /tools/find`` for attributes of single instances; only where `answers_from_files`."""
        return self._find(_DATASETS, Query={"SOPInstanceUID": "\\".join(sop_instance_uids)}, RequestedTags=tags)

    def pixel_data_offset(self, orthanc_id: str) -> str | None:
        """``GET /instances/{id}/metadata/PixelDataOffset``; None where the file has no pixel data, or is deflated."""
        path = f"/instances/{self._checked(orthanc_id)}/metadata/PixelDataOffset"
        response = self._get(path, accept_statuses=(404,))
        return None if response.status == 404 else response.body.decode("ascii", "replace")

    def file_head(self, orthanc_id: str, pixel_data_offset: object) -> bytes:
        """What stands before the pixel data of an instance's file; 1.10 sends the whole file, whatever is asked for."""
        path = f"/instances/{self._checked(orthanc_id)}"
        if not (isinstance(pixel_data_offset, str) and _OFFSET.fullmatch(pixel_data_offset)):
            return self._get(f"{path}/file").body
        length = int(pixel_data_offset)
        headers = {"Range": f"bytes=0-{length - 1}"}
        return self._get(f"{path}/attachments/dicom/data", headers=headers).body[:length]

    def _find(self, wanted: Mapping[str, object], **narrowed: object) -> list[Answer]:
        return rows(self._post_find(wanted, narrowed), self.peer)

    def _find_instances(self, **narrowed: object) -> list[ListedInstance]:
        return instances(self._post_find(_INSTANCES, narrowed), self.peer)

    def _post_find(self, wanted: Mapping[str, object], narrowed: Mapping[str, object]) -> object:
        return self._post("/tools/find", {"Query": {}, "Short": True, **wanted, **narrowed})

    def has_extended_find(self) -> bool:
        """``Capabilities.HasExtendedFind``; versions tell nothing, plugins decide."""
        self._probe()
        return self._has_extended_find

    def answers_from_files(self) -> bool:
        """Whether ``tools/find`` may be asked for what stands in files alone.

        Where an instance may be stored anew under its UID, Orthanc goes on to answer the patient's name, sex and birth
        date from the study's row, as they were before.
        """
        self._probe()
        return self._has_extended_find and not self._overwrites

    def _probe(self) -> None:
        """Ask what Orthanc can do, every 5 min."""
        with self._lock:
            now = self._clock()
            if self._probed_at is None or now - self._probed_at >= _PROBE_EVERY_S:
                system = self.system().json
                capabilities = system.get("Capabilities")
                has_extended_find = capabilities.get("HasExtendedFind") if isinstance(capabilities, dict) else None
                self._has_extended_find = has_extended_find is True
                self._overwrites = system.get("OverwriteInstances", False) not in (False, "Never")
                self._probed_at = now

    def dicomweb_root(self) -> str | None:
        """``GET /plugins/dicom-web``: the path of the plugin; None if Orthanc does not tell it to us."""
        response = self._get("/plugins/dicom-web", accept_statuses=(403, 404))
        root_uri = row(response.json(), self.peer).json.get("RootUri") if response.status == 200 else None
        match = _ROOT_URI.fullmatch(root_uri) if isinstance(root_uri, str) else None
        return match[1] if match else None

    def forget_probe(self) -> None:
        """Ask anew: another Orthanc may stand behind the address now."""
        with self._lock:
            self._probed_at = None

    def _checked(self, orthanc_id: str) -> str:
        if not _ID.fullmatch(orthanc_id):
            raise ProtocolViolation(f"{self.peer} gave a resource an id that is none", peer=self.peer)
        return orthanc_id

    def _get(self, path: str, **options: Any) -> Response:
        return self._transport.request("GET", path, **options)

    def _post(self, path: str, asked: dict[str, object]) -> object:
        try:
            response = self._transport.request("POST", path, body=orjson.dumps(asked), idempotent=True)
        except AccessDenied as error:
            if error.status != 403:
                raise
            raise AccessDenied(error.message, peer=error.peer, status=error.status, hint=_BULK_DENIED) from None
        except Refused as error:
            if error.status not in (404, 405):
                raise
            raise Refused(error.message, peer=error.peer, status=error.status, hint=_BULK_UNKNOWN) from None
        return response.json(max_levels=_MAX_JSON_LEVELS)


def _any_of(uids: Sequence[str]) -> dict[str, str]:
    """List of UID matching (PS3.4 2024e, section C.2.2.2.2)."""
    return {"StudyInstanceUID": "\\".join(uids)}
