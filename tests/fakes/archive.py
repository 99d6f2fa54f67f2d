"""What an Orthanc holds: resources by Orthanc id, and the rows of its feed. Shapes as the Orthanc Book shows them."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydicom.datadict import tag_for_keyword

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

LEVELS: Final = ("Patient", "Study", "Series", "Instance")
_FOLDERS: Final = {"Patient": "/patients", "Study": "/studies", "Series": "/series", "Instance": "/instances"}
_CHILDREN: Final = {"Patient": "Studies", "Study": "Series", "Series": "Instances"}

# The main DICOM tags of 1.10, as far as the indexer reads them.
_KEYWORDS: Final = {
    "Patient": ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "OtherPatientIDs"),
    "Study": (
        "StudyDate",
        "StudyTime",
        "StudyID",
        "StudyDescription",
        "AccessionNumber",
        "StudyInstanceUID",
        "RequestedProcedureDescription",
        "InstitutionName",
        "ReferringPhysicianName",
    ),
    "Series": (
        "SeriesDate",
        "SeriesTime",
        "Modality",
        "Manufacturer",
        "SeriesDescription",
        "BodyPartExamined",
        "ProtocolName",
        "SeriesNumber",
        "SeriesInstanceUID",
        "OperatorsName",
        "PerformedProcedureStepDescription",
    ),
    "Instance": ("InstanceNumber", "NumberOfFrames", "SOPInstanceUID", "ImageComments"),
}


@dataclass
class Node:
    """One resource; `dataset` only at instance level, `patient` (what its first instance says) only at study level."""

    orthanc_id: str
    level: str
    parent: Node | None
    tags: dict[str, str]
    dataset: Dataset | None = None
    patient: dict[str, str] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)
    last_update: str = ""
    touched_at: float = 0.0
    is_stable: bool = False

    @property
    def path(self) -> str:
        """Where it is."""
        return f"{_FOLDERS[self.level]}/{self.orthanc_id}"

    def line(self) -> Iterator[Node]:
        """This node and those above it."""
        yield self
        if self.parent:
            yield from self.parent.line()

    def tree(self) -> Iterator[Node]:
        """This node and those below it."""
        yield self
        for child in tuple(self.children.values()):
            yield from child.tree()

    def at(self, level: str) -> list[Node]:
        """The nodes of a level above or below this one, or itself."""
        found = {one.orthanc_id: one for one in (*self.line(), *self.tree()) if one.level == level}
        return list(found.values())


class Archive:
    """The state of a fake Orthanc; every method may be called from any thread.

    Parameters
    ----------
    is_modern
        As 1.12: a deletion moves the LastUpdate of what stands above.
    """

    def __init__(self, *, is_modern: bool, stable_age_s: float) -> None:
        self.lock = threading.RLock()
        self._is_modern = is_modern
        self._stable_age_s = stable_age_s
        self.clear()

    def clear(self) -> None:
        """As a new database: nothing stored, and Seq begins at 1 again."""
        with self.lock:
            self.nodes: dict[str, Node] = {}
            self.rows: list[dict[str, Any]] = []
            self.seq = 0
            self.held: list[dict[str, Any]] = []
            self.is_holding = False

    def store(self, dataset: Dataset) -> tuple[str, bool]:
        """Store an instance; its Orthanc id, and whether it was new."""
        with self.lock:
            ids = _ids(dataset)
            if ids[-1] in self.nodes:
                return ids[-1], False
            made = [orthanc_id not in self.nodes for orthanc_id in ids]
            parent: Node | None = None
            for level, orthanc_id in zip(LEVELS, ids, strict=True):
                parent = self._hold(level, orthanc_id, parent, dataset)
            for is_new, level, orthanc_id in reversed(list(zip(made, LEVELS, ids, strict=True))):
                if is_new:
                    self._log(f"New{level}", level, orthanc_id)
            self._touch(self.nodes[ids[-1]].line())
            return ids[-1], True

    def _hold(self, level: str, orthanc_id: str, parent: Node | None, dataset: Dataset) -> Node:
        node = self.nodes.get(orthanc_id)
        if node is None:
            node = Node(orthanc_id, level, parent, _tags(level, dataset))
            node.dataset = dataset if level == "Instance" else None
            node.patient = _tags("Patient", dataset) if level == "Study" else {}
            self.nodes[orthanc_id] = node
            if parent:
                parent.children[orthanc_id] = node
        return node

    def delete(self, orthanc_id: str) -> bool:
        """Delete a resource, what is below it, what is left empty above it, and all their rows."""
        with self.lock:
            node = self.nodes.get(orthanc_id)
            if node is None:
                return False
            while node.parent and len(node.parent.children) == 1:
                node = node.parent
            gone = {one.orthanc_id for one in node.tree()}
            for one in gone:
                del self.nodes[one]
            self.rows = [row for row in self.rows if row["ID"] not in gone]
            if node.parent:
                del node.parent.children[node.orthanc_id]
                if self._is_modern:
                    self._touch(node.parent.line())
            return True

    def settle(self) -> None:
        """Log what became stable, as Orthanc's own thread does."""
        with self.lock:
            now = time.monotonic()
            for node in sorted(self.nodes.values(), key=lambda one: -LEVELS.index(one.level)):
                is_due = not node.is_stable and now - node.touched_at >= self._stable_age_s
                if node.level != "Instance" and is_due:
                    node.is_stable = True
                    self._log(f"Stable{node.level}", node.level, node.orthanc_id)

    def _touch(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            node.last_update, node.touched_at, node.is_stable = moment(), time.monotonic(), False

    def _log(self, change_type: str, level: str, orthanc_id: str) -> None:
        self.seq += 1
        row = {"ChangeType": change_type, "Date": moment(), "ID": orthanc_id, "Path": f"{_FOLDERS[level]}/{orthanc_id}"}
        row |= {"ResourceType": level, "Seq": self.seq}
        (self.held if self.is_holding else self.rows).append(row)

    def commit(self) -> None:
        """Make held rows visible, in their place by Seq."""
        with self.lock:
            self.rows = sorted([*self.rows, *self.held], key=lambda row: int(row["Seq"]))
            self.held = []

    def expand(self, node: Node, *, has_metadata: bool) -> dict[str, Any]:
        """A resource as ``/tools/bulk-content`` shows it with ``Short``."""
        found: dict[str, Any] = {"ID": node.orthanc_id, "MainDicomTags": node.tags, "Type": node.level}
        if node.parent:
            found["Parent" + node.parent.level] = node.parent.orthanc_id
        if node.level in _CHILDREN:
            found[_CHILDREN[node.level]] = list(node.children)
            found |= {"IsStable": node.is_stable, "LastUpdate": node.last_update}
        if node.level == "Study" and node.parent:
            found["PatientMainDicomTags"] = node.parent.tags
        if has_metadata:
            found["Metadata"] = metadata(node)
        return found

    def found(self, node: Node, asked: dict[str, Any], *, opens_files: bool = True) -> dict[str, Any]:
        """A resource as ``/tools/find`` shows it with ``Short``: no more than the ``ResponseContent`` asked for."""
        whole = self.expand(node, has_metadata=True)
        keys = {"ID", "Type", "PatientMainDicomTags"}
        for one in asked["ResponseContent"]:
            keys |= {"Parent": {"ParentStudy", "ParentSeries"}, "Children": {"Series", "Instances"}}.get(one, {one})
        shown = {key: value for key, value in whole.items() if key in keys}
        if "NumberOfStudyRelatedInstances" in asked.get("RequestedTags", ()):
            shown["RequestedTags"] = {"0020,1208": str(len(node.at("Instance")))}
        elif node.dataset is not None and "RequestedTags" in asked:
            shown["RequestedTags"] = requested(node, asked["RequestedTags"], opens_files=opens_files)
        return shown


def requested(node: Node, tags: Iterable[str], *, opens_files: bool) -> dict[str, Any]:
    """What the rows of the study, the series and the instance hold, in this order; for the others what the file does.

    A tag that rows may hold is left out where none does.
    """
    rows = [row for one in reversed(list(node.line())[:-1]) for row in (one.patient, one.tags)]
    kept = {_short(keyword) for level in LEVELS for keyword in _KEYWORDS[level]}
    found = {tag: row[tag] for row in reversed(rows) for tag in tags if tag in row}
    if opens_files and node.dataset is not None:
        found |= {tag: _of_file(node.dataset, tag) for tag in tags if tag not in found and tag not in kept}
    return found


def metadata(node: Node) -> dict[str, str]:
    """The metadata that the indexer reads."""
    if node.dataset is None:
        return {"LastUpdate": node.last_update}
    found = {"ReceptionDate": node.last_update, "SopClassUid": str(node.dataset.SOPClassUID)}
    return found | {"TransferSyntax": str(node.dataset.file_meta.TransferSyntaxUID)}


def moment() -> str:
    """Now, as Orthanc writes it: UTC, to the second."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S")


def _ids(dataset: Dataset) -> list[str]:
    """Orthanc's ids, from the patient down: SHA-1 of the identifiers joined by a bar."""
    parts = [str(dataset.get("PatientID") or "")]
    parts += [str(dataset[keyword].value) for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
    digests = [hashlib.sha1("|".join(parts[:count]).encode()).hexdigest() for count in range(1, 5)]
    return ["-".join(digest[start : start + 8] for start in range(0, 40, 8)) for digest in digests]


def _tags(level: str, dataset: Dataset) -> dict[str, str]:
    return {_short(keyword): _value(dataset[keyword]) for keyword in _KEYWORDS[level] if keyword in dataset}


def _short(keyword: str) -> str:
    tag = tag_for_keyword(keyword) or 0
    return f"{tag >> 16:04x},{tag & 0xFFFF:04x}"


def _of_file(dataset: Dataset, tag: str) -> Any:
    """A value as ``tools/find`` shows it: text, items of a sequence, or null."""
    number = int(tag.replace(",", ""), 16)
    return _value(dataset[number]) if number in dataset else None


def _value(element: DataElement) -> Any:
    if element.VR == "SQ":
        return [{f"{one.tag.group:04x},{one.tag.element:04x}": _value(one) for one in item} for item in element.value]
    value = element.value
    many = value if isinstance(value, list | tuple) or hasattr(value, "append") else [value]
    return "\\".join("" if one is None else str(one) for one in many)
