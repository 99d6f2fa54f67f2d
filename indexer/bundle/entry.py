"""Entries and the Bundle that carries them.

Source: FHIR R4 (4.0.1) "RESTful API", section 3.1.0.11 "batch/transaction": the entries of a batch are independent,
so what others refer to goes first or in a Bundle of its own; one identity at most once per transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_RANK: Final = {"Endpoint": 0, "Patient": 1, "ImagingStudy": 3}
_RANK_OF_OTHERS: Final = 2


class BundleType(StrEnum):
    """Whole or not at all, or each entry for itself."""

    TRANSACTION = "transaction"
    BATCH = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One resource to be written under its own id.

    Attributes
    ----------
    body
        The resource as JSON bytes.
    study_instance_uid
        Study that the resource is made of, None for a Patient or an Endpoint.
    patient_key
        Keyed hash of the patient, the same on a Patient and on the studies that refer to it.
    patient_body
        The Patient that a study refers to as JSON bytes: a server may quote that, too, when it refuses the study.
    if_match
        Version that must still be the present one, None if any may be overwritten.
    """

    resource_type: str
    fhir_id: str
    body: bytes
    study_instance_uid: str | None = None
    patient_key: str | None = None
    patient_body: bytes | None = None
    if_match: str | None = None

    @property
    def reference(self) -> str:
        """``Type/id``."""
        return f"{self.resource_type}/{self.fhir_id}"

    @property
    def sent(self) -> list[dict[str, object]]:
        """The resources whose words are kept out of what is told of this entry."""
        return [orjson.loads(body) for body in (self.body, self.patient_body) if body is not None]

    @property
    def size(self) -> int:
        """Bytes that the entry takes in a Bundle, its comma included."""
        return len(self.body) + len(self.request) + len(b'{"resource":,"request":},')

    @property
    def request(self) -> bytes:
        """``Bundle.entry.request`` as JSON bytes."""
        request = {"method": "PUT", "url": self.reference}
        if self.if_match is not None:
            request["ifMatch"] = f'W/"{self.if_match}"'
        return orjson.dumps(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A Bundle that is ready to be sent.

    Attributes
    ----------
    entries
        In the order of the Bundle, and so of its answer.
    """

    bundle_type: BundleType
    entries: tuple[Entry, ...]
    body: bytes

    @property
    def count(self) -> int:
        return len(self.entries)


def build(entries: Iterable[Entry], bundle_type: BundleType) -> Bundle:
    """Pack entries, what is referred to before what refers to it; bodies are joined as they are.

    Raises
    ------
    ValueError
        If two entries have one identity, or if there is none.
    """
    ordered = tuple(sorted(entries, key=_rank))
    if not ordered:
        raise ValueError("a Bundle needs an entry")
    if len({entry.reference for entry in ordered}) < len(ordered):
        raise ValueError("two entries of one identity in a Bundle")
    head = b'{"resourceType":"Bundle","type":"%b","entry":[' % bundle_type.encode()
    # One join of all pieces: bodies of megabytes are copied once.
    pieces = [
        piece for entry in ordered for piece in (b',{"resource":', entry.body, b',"request":', entry.request, b"}")
    ]
    pieces[0] = pieces[0].removeprefix(b",")
    return Bundle(bundle_type=bundle_type, entries=ordered, body=b"".join([head, *pieces, b"]}"]))


def waves(entries: Iterable[Entry]) -> tuple[tuple[Entry, ...], ...]:
    """Groups to be sent one after the other as batches: entries of a group do not refer to each other."""
    ordered = sorted(entries, key=_rank)
    return tuple(tuple(group) for _, group in groupby(ordered, key=_rank))


def halves(entries: Sequence[Entry]) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Two smaller sets to be sent one after the other, to find an entry that spoils the whole.

    A study goes with the Patient that it needs; studies of one patient that are parted each take it along. A Patient
    and its only study are parted last: the Patient is sent first.

    Raises
    ------
    ValueError
        If there is only one entry.
    """
    if len(entries) < 2:
        raise ValueError("one entry has no halves")
    groups = _groups(entries)
    if len(groups) == 1:
        return _part(groups[0])
    left, right = [*groups[0]], [*groups[-1]]
    for group in groups[1:-1]:
        (left if 2 * (len(left) + len(group)) <= len(entries) else right).extend(group)
    return tuple(sorted(left, key=_rank)), tuple(sorted(right, key=_rank))


def _groups(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries that belong together by their patient, in the order of a Bundle."""
    groups: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=_rank):
        groups.setdefault(entry.patient_key or entry.reference, []).append(entry)
    return list(groups.values())


def _part(group: list[Entry]) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Halves of the entries of one patient."""
    shared = tuple(entry for entry in group if entry.resource_type == "Patient")
    others = tuple(entry for entry in group if entry.resource_type != "Patient")
    middle = len(others) // 2
    if middle:
        return (*shared, *others[:middle]), (*shared, *others[middle:])
    if others:
        return shared, others
    return shared[:1], shared[1:]


def _rank(entry: Entry) -> int:
    return _RANK.get(entry.resource_type, _RANK_OF_OTHERS)
