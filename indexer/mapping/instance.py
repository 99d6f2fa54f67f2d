"""Instances → ``ImagingStudy.series.instance``. This is the hot path: a study may hold 50,000 of them."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from indexer.mapping.issues import Cause, Issues
from indexer.mapping.syntax import MAX_UNSIGNED, UID, unsigned
from indexer.model.attributes import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from indexer.model import Instance

_BY_NUMBER_AND_UID = itemgetter(0, 1)
_UNNUMBERED = MAX_UNSIGNED + 1


@dataclass(frozen=True, slots=True)
class Distinct:
    """The instances of one series, each once.

    Attributes
    ----------
    by_uid
        Those whose SOPInstanceUID is a UID; of those that share one the first stands.
    count
        How many there are, those with a broken UID among them.
    """

    by_uid: dict[str, Instance]
    count: int


def distinct(instances: Sequence[Instance], issues: Issues) -> Distinct:
    """Instances by SOPInstanceUID."""
    found: dict[str, Instance] = {}
    broken: set[str] = set()
    for instance in instances:
        uid = instance.sop_instance_uid
        if not UID.fullmatch(uid):
            uid = clean(uid)
            if not UID.fullmatch(uid):
                broken.add(uid)
                continue
        found.setdefault(uid, instance)
    count = len(found) + len(broken)
    issues.add("SOPInstanceUID", Cause.NOT_LISTED, len(broken))
    issues.add("SOPInstanceUID", Cause.DUPLICATE, len(instances) - count)
    return Distinct(found, count)


def listed(instances: dict[str, Instance], sop_class: Callable[[str], Any], issues: Issues) -> list[dict[str, Any]]:
    """Elements of the instances, by number, then UID; one without a class is left out, because FHIR demands a class."""
    classes: dict[str | None, Any] = {}
    rows = []
    for uid, instance in instances.items():
        raw_class = instance.sop_class_uid
        if raw_class not in classes:
            classes[raw_class] = _class_of(raw_class, sop_class)
        if classes[raw_class] is None:
            issues.add("SOPClassUID", Cause.NOT_LISTED)
        else:
            rows.append(_row(uid, classes[raw_class], instance.instance_number, issues))
    rows.sort(key=_BY_NUMBER_AND_UID)
    return [row[2] for row in rows]


def _row(uid: str, sop_class: Any, number_text: str | None, issues: Issues) -> tuple[int, str, dict[str, Any]]:
    element = {"uid": uid, "sopClass": sop_class}
    if not number_text:
        return _UNNUMBERED, uid, element
    number = unsigned(number_text)
    if number is None:
        issues.add("InstanceNumber", Cause.OUT_OF_RANGE)
        return _UNNUMBERED, uid, element
    element["number"] = number
    return number, uid, element


def _class_of(raw: str | None, sop_class: Callable[[str], Any]) -> Any:
    uid = clean(raw or "")
    return sop_class(uid) if UID.fullmatch(uid) else None
