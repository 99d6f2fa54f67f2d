"""Orthanc's JSON, read strictly: what is not as the Orthanc Book shows it is a `ProtocolViolation`."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from indexer.errors import ProtocolViolation
from indexer.model import Attributes, Instance
from indexer.sampling.legible import MAX_LEVELS, marked, vr_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_T = TypeVar("_T")

# A backslash separates values, but not in these (PS3.5 2024e, section 6.2).
_ONE_VALUE: Final = frozenset({"LT", "ST", "UR", "UT"})

ListedInstance = tuple[str, str, Instance]
"""An instance behind the Orthanc ids of its series and of its own."""

_MAX_SHARED: Final = 64
_SOP_INSTANCE_UID: Final = "0008,0018"
_INSTANCE_NUMBER: Final = "0020,0013"
_NUMBER_OF_FRAMES: Final = "0028,0008"


@dataclass(frozen=True, slots=True)
class Answer:
    """One JSON object of an answer."""

    json: Mapping[str, Any] = field(repr=False)
    peer: str

    def text(self, key: str) -> str:
        """A string that must be there."""
        return self._typed(key, str)

    def number(self, key: str) -> int:
        """An integer that must be there."""
        return self._typed(key, int)

    def flag(self, key: str) -> bool:
        """A truth value that must be there."""
        return self._typed(key, bool)

    def texts(self, key: str) -> list[str]:
        """A list of strings that must be there."""
        texts = self._typed(key, list)
        if not all(isinstance(text, str) for text in texts):
            raise self.violation(key)
        return texts

    def part(self, key: str) -> Answer:
        """An object that must be there."""
        return Answer(self._typed(key, dict), self.peer)

    def tags(self, *keys: str) -> Attributes:
        """The attributes under these keys together; a key that is not there holds none."""
        return Attributes({tag: element for key in keys for tag, element in _elements(self.json.get(key)).items()})

    def violation(self, what: str) -> ProtocolViolation:
        """The error for a broken part; `what` is a name of the API, never a value."""
        return ProtocolViolation(f"{self.peer} sent an answer with a broken or missing {what}", peer=self.peer)

    def _typed(self, key: str, kind: type[_T]) -> _T:
        value = self.json.get(key)
        # A bool is an int to Python, not to JSON.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.violation(key)
        return value


def rows(values: object, peer: str) -> list[Answer]:
    """A list of JSON objects; Orthanc writes null for what is gone."""
    return [row(value, peer) for value in _list(values, peer) if value is not None]


def row(value: object, peer: str) -> Answer:
    """One JSON object."""
    if not isinstance(value, dict):
        raise _no_object(peer)
    return Answer(value, peer)


def uid(answer: Answer, keyword: str) -> str:
    """An UID among the main DICOM tags, without which Orthanc stores nothing."""
    text = answer.tags("MainDicomTags").text(keyword)
    if text is None:
        raise answer.violation(keyword)
    return text


def instances(values: object, peer: str) -> list[ListedInstance]:
    """A list of instances."""
    return [instance(value, peer) for value in _list(values, peer) if value is not None]


def instance(value: object, peer: str) -> ListedInstance:
    """One instance; a study has ten thousands of them, so they are read without an `Answer` on the way."""
    if not isinstance(value, dict):
        raise _no_object(peer)
    series_id, orthanc_id = value.get("ParentSeries"), value.get("ID")
    tags, metadata = _dict(value.get("MainDicomTags")), _dict(value.get("Metadata"))
    uid = _text(tags.get(_SOP_INSTANCE_UID))
    if not (uid and isinstance(series_id, str) and isinstance(orthanc_id, str)):
        needed = {"ParentSeries": series_id, "ID": orthanc_id, "SOPInstanceUID": uid}
        raise Answer(value, peer).violation(next(key for key, text in needed.items() if not isinstance(text, str)))
    # Instances that Orthanc stored before version 1.2.0 have no such metadata.
    sop_class_uid = _text(metadata.get("SopClassUid"))
    number = _text(tags.get(_INSTANCE_NUMBER))
    # Texts that many instances share are held once.
    return (
        series_id,
        orthanc_id,
        Instance(
            uid,
            sys.intern(sop_class_uid) if sop_class_uid else None,
            sys.intern(number) if number else None,
            _text(tags.get(_NUMBER_OF_FRAMES)),
        ),
    )


def _list(value: object, peer: str) -> list[Any]:
    if not isinstance(value, list):
        raise ProtocolViolation(f"{peer} sent no list where one is due", peer=peer)
    return value


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _no_object(peer: str) -> ProtocolViolation:
    return ProtocolViolation(f"{peer} sent no object where one is due", peer=peer)


def _text(value: object) -> str | None:
    return value.strip(" \0") or None if isinstance(value, str) else None


def _elements(tags: object, levels: int = MAX_LEVELS) -> dict[str, Mapping[str, Any]]:
    """Orthanc's short tags (``0008,0020``) as elements of the DICOM JSON Model."""
    return dict(_element(key, value, levels) for key, value in _dict(tags).items())


def _element(key: str, value: object, levels: int) -> tuple[str, Mapping[str, Any]]:
    if isinstance(value, list) and levels > 1:
        return _tag(key), {"vr": "SQ", "Value": [_elements(item, levels - 1) for item in value]}
    if not isinstance(value, str | None):
        return _tag(key), marked(_vr(_tag(key)), "too_deep" if isinstance(value, list) else "malformed")
    text = value or ""
    return _shared_element(key, text) if len(text) <= _MAX_SHARED else _text_element(key, text)


def split(vr: str, text: str) -> list[str]:
    """Values of a text, which a backslash separates; some VRs have but one."""
    return [text] if vr in _ONE_VALUE else text.split("\\")


def _text_element(key: str, text: str) -> tuple[str, Mapping[str, Any]]:
    tag = _tag(key)
    vr = _vr(tag)
    if not text:
        return tag, {"vr": vr}
    return tag, {"vr": vr, "Value": [value or None for value in split(vr, text)]}


# Series of a study state much the same: each element is made and held once.
_shared_element = functools.lru_cache(maxsize=8192)(_text_element)


def _tag(key: str) -> str:
    return key.replace(",", "").upper()


def _vr(tag: str) -> str:
    return vr_of(tag) or "UN"
