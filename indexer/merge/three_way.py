"""The walk through three versions of a resource: before (what we wrote last), ours (to be written now), theirs.

An element that is not there is None: FHIR's JSON has no null, but in arrays of primitives, which `folding` takes apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.equality import is_equal
from indexer.merge import folding
from indexer.merge.matching import EXTENSIONS, OWN_ORDER, arranged, is_same, keys_in_lists, keys_of, pair
from indexer.model.choices import Conflict

if TYPE_CHECKING:
    from indexer.merge.matching import Slot

Node = dict[str, Any]

COUNTS = frozenset({"numberOfSeries", "numberOfInstances"})
"""Counted in the archive, whatever others put beside: never theirs."""

_NOTHING = frozenset({type(None)})


class ThreeWay:
    """One merge. With `Conflict.QUARANTINE` the result is not to be used if there are conflicts.

    Attributes
    ----------
    conflicts
        FHIR paths of the elements that both changed, without values; one may stand in it several times.
    """

    def __init__(self, conflict: Conflict) -> None:
        self._conflict = conflict
        self.conflicts: list[str] = []

    def fields(self, path: str, before: Node, ours: Node, theirs: Node) -> Node:
        """Merge element by element; their order, then what is new."""
        if ours.items() <= theirs.items() and before.keys() <= ours.keys():
            return theirs  # others only added to it, which is how nearly all of thousands of instances stand
        arrays = folding.sibling_arrays((ours, theirs))
        if arrays:
            before, ours, theirs = (folding.zipped(version, arrays) for version in (before, ours, theirs))
        merged = {}
        for name in {**theirs, **ours}:
            our_value, their_value = ours.get(name), theirs.get(name)
            value = (
                their_value
                if our_value == their_value
                else self._value(path, name, before.get(name), our_value, their_value)
            )
            if value is not None:
                merged[name] = value
        return folding.unzipped(merged, arrays) if arrays else merged

    def _value(self, path: str, name: str, before: Any, ours: Any, theirs: Any) -> Any:
        """Merge one element of which ours and theirs differ."""
        if before is None and ours is None:
            return theirs
        if name in COUNTS or is_equal(before, theirs, name):
            return ours
        inner = f"{path}.{plain}" if (plain := name.lstrip("_")) else path
        kinds = {type(before), type(ours), type(theirs)} - _NOTHING
        if kinds == {list}:
            return self._items(inner, name, before or [], ours or [], theirs or []) or None
        if kinds == {dict}:
            return self._object(inner, name, before, ours, theirs)
        return self._settled(inner, name, before, ours, theirs)

    def _settled(self, path: str, name: str, before: Any, ours: Any, theirs: Any) -> Any:
        """One value as a whole: theirs if only they changed it, else by what holds in a conflict."""
        if is_equal(before, ours, name) or is_equal(ours, theirs, name):
            return theirs
        self.conflicts.append(path)
        return theirs if self._conflict is Conflict.THEIRS else ours

    def _object(self, path: str, name: str, before: Node | None, ours: Node | None, theirs: Node | None) -> Any:
        """A single object: by its elements if it is the same thing on both sides, else as a whole.

        What others said of one patient, code or order must not stick to another one.
        """
        if name == "meta" or name.startswith("_"):
            return self.fields(path, before or {}, ours or {}, theirs or {}) or None
        keys_before, our_keys, their_keys = keys_of(before), keys_of(ours), keys_of(theirs)
        if ours and theirs and is_same(our_keys, their_keys):
            return self.fields(path, before if before and is_same(keys_before, their_keys) else {}, ours, theirs)
        if before and theirs and is_same(keys_before, their_keys):
            return ours or _left_of(before, theirs)
        if before and ours and theirs and is_same(keys_before, our_keys):
            return theirs
        return self._settled(path, name, before, ours, theirs)

    def _items(self, path: str, name: str, before: list[Any], ours: list[Any], theirs: list[Any]) -> list[Any]:
        """A list: our elements converge, those that we hold no longer go, those of others stay."""
        if name in OWN_ORDER:
            before, ours, theirs = (_once(path, version) for version in (before, ours, theirs))
        keys_before, our_keys, their_keys = keys_in_lists(name, (before, ours, theirs))
        written, kept = pair(keys_before, their_keys), pair(our_keys, their_keys)
        slots: list[Slot] = []
        for there, element in enumerate(theirs):
            last = before[written[there]] if there in written else None
            if there in kept:
                slots.append((kept[there], self._item(path, name, last, ours[kept[there]], element)))
            elif last is None:
                slots.append((None, element))
            elif left := _left_of(last, element):
                slots.append((None, left))
        present = set(kept.values())
        slots += [(here, element) for here, element in enumerate(ours) if here not in present]
        return arranged(name, slots, is_first_gone=0 in written and 0 not in kept)

    def _item(self, path: str, name: str, before: Any, ours: Any, theirs: Any) -> Any:
        """One element of a list that stands on both sides."""
        if ours == theirs or not (isinstance(ours, dict) and isinstance(theirs, dict)):
            return theirs
        before = before if isinstance(before, dict) else {}
        if name in EXTENSIONS and len(folding.choice_names((ours, theirs))) > 1:
            parts = (folding.folded(version) for version in (before, ours, theirs))
            return folding.unfolded(self.fields(path, *parts))
        return self.fields(path, before, ours, theirs)


def _once(path: str, elements: list[Any]) -> list[Any]:
    """Series or instances, each UID once: what others wrote under one UID a second time goes into the first."""
    places: dict[Any, int] = {}
    once: list[Any] = []
    for keys, element in zip(keys_in_lists("series", [elements])[0], elements, strict=True):
        place = places.setdefault(keys[0], len(once))
        if place == len(once):
            once.append(element)
        elif element != once[place]:
            once[place] = ThreeWay(Conflict.THEIRS).fields(path, {}, element, once[place])
    return once


def _left_of(before: Any, theirs: Any) -> Node | None:
    """What stays of an element that we wrote and hold no longer: a literal reference that others gave to it."""
    if not (isinstance(theirs, dict) and isinstance(theirs.get("reference"), str)) or "reference" in before:
        return None
    return {name: value for name, value in theirs.items() if not is_equal(before.get(name), value, name)}
