"""Entries and the Bundle that carries them.

Source: FHIR R4 (4.0.1) "RESTful API", section 3.1.0.11 "batch/transaction": the entries of a batch are independent,
so what others refer to goes first or in a Bundle of its own; a resource occurs at most once per transaction.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Final

import orjson

from indexer.bundle.binding import bound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from indexer.model import ResourceKey

_RANK: Final = {"Endpoint": 0, "Patient": 1, "ImagingStudy": 3}
_RANK_OF_OTHERS: Final = 2


class BundleType(StrEnum):
    """All or nothing, or each entry independently."""

    TRANSACTION = "transaction"
    BATCH = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One resource to be written.

    Attributes
    ----------
    body
        The resource as JSON bytes.
    fhir_id
        None if the server assigns it.
    lacks_id
        Whether the body has no id yet; it is inserted when the entry is sent.
    references
        ``Type/id`` by `ResourceKey.reference`; they replace it in the body when the entry is sent.
    request
        ``Bundle.entry.request``.
    patient_key
        Keyed hash of the patient, the same on a Patient and on the studies that refer to it.
    patient_body
        The Patient of a study as JSON bytes: a server may quote it when it refuses the study.
    if_match
        Version that must still be the current one, None if any may be overwritten.
    """

    key: ResourceKey
    body: bytes
    fhir_id: str | None
    request: Mapping[str, str]
    patient_key: str | None = None
    patient_body: bytes | None = None
    if_match: str | None = None
    lacks_id: bool = False
    references: Mapping[str, str] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """``Type/id``, or a placeholder for it in a transaction until the server assigns the id."""
        return self._full_url if self.fhir_id is None else self.key.literal(self.fhir_id)

    @property
    def _full_url(self) -> str:
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, self.key.reference)}"

    @property
    def resource(self) -> dict[str, object]:
        """The resource as it is sent."""
        resource: dict[str, object] = orjson.loads(b"".join(self._bound))
        return resource

    @property
    def sent(self) -> list[dict[str, object]]:
        """The resources whose contents must not appear in what is logged or stored about this entry."""
        return [self.resource, *([orjson.loads(self.patient_body)] if self.patient_body is not None else [])]

    @property
    def size(self) -> int:
        """Bytes that the entry takes in a Bundle, with its comma."""
        return sum(map(len, self.pieces))

    @property
    def pieces(self) -> tuple[bytes | memoryview, ...]:
        """The entry in a Bundle, preceded by a comma; the body is not copied."""
        full_url = b"" if self.fhir_id is not None else b'"fullUrl":"%b",' % self._full_url.encode()
        return b",{", full_url, b'"resource":', *self._bound, b',"request":', orjson.dumps(self.request), b"}"

    def referring(self, references: Mapping[str, str]) -> Entry:
        """The entry with references to resources whose id is now known (``Type/id`` by `ResourceKey.reference`)."""
        return replace(self, references={**references, **self.references}) if references else self

    @property
    def _bound(self) -> Iterator[bytes | memoryview]:
        return bound(self.body, fhir_id=self.fhir_id if self.lacks_id else None, references=self.references)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A Bundle that is ready to be sent; the answer to it has the order of `entries`.

    Attributes
    ----------
    pieces
        Its JSON. The bodies of the entries are not copied, because they may have many megabytes.
    """

    bundle_type: BundleType
    entries: tuple[Entry, ...]
    pieces: tuple[bytes | memoryview, ...]

    @property
    def size(self) -> int:
        """Bytes of its JSON."""
        return sum(map(len, self.pieces))

    @property
    def count(self) -> int:
        return len(self.entries)


def build(entries: Iterable[Entry], bundle_type: BundleType) -> Bundle:
    """Pack entries, what is referred to before what refers to it; bodies are joined as they are."""
    ordered = tuple(sorted(entries, key=_rank))
    if not ordered:
        raise ValueError("a Bundle needs an entry")
    if len({entry.key for entry in ordered}) < len(ordered):
        raise ValueError("two entries of one identity in a Bundle")
    urls = {entry.key.reference: entry.reference for entry in ordered if entry.fhir_id is None}
    head = b'{"resourceType":"Bundle","type":"%b","entry":[' % bundle_type.encode()
    pieces = [piece for entry in ordered for piece in entry.referring(urls).pieces]
    pieces[0] = b"{"
    return Bundle(bundle_type=bundle_type, entries=ordered, pieces=(head, *pieces, b"]}"))


def waves(entries: Iterable[Entry]) -> tuple[tuple[Entry, ...], ...]:
    """Groups to send one after the other as batches: entries of one group do not refer to each other."""
    ordered = sorted(entries, key=_rank)
    return tuple(tuple(group) for _, group in groupby(ordered, key=_rank))


def halves(entries: Sequence[Entry]) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Two smaller sets to send one after the other, to find the entry that makes the whole fail.

    A study goes with the Patient that it needs; if the studies of one patient are split, both halves contain it. A
    Patient and its only study are split last: the Patient is sent first.
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
    """Entries grouped by patient, in the order of a Bundle."""
    groups: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=_rank):
        groups.setdefault(entry.patient_key or entry.key.reference, []).append(entry)
    return list(groups.values())


def _part(group: list[Entry]) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Halves of the entries of one patient."""
    shared = tuple(entry for entry in group if entry.key.type == "Patient")
    others = tuple(entry for entry in group if entry.key.type != "Patient")
    middle = len(others) // 2
    if middle:
        return (*shared, *others[:middle]), (*shared, *others[middle:])
    if others:
        return shared, others
    return shared[:1], shared[1:]


def _rank(entry: Entry) -> int:
    return _RANK.get(entry.key.type, _RANK_OF_OTHERS)
