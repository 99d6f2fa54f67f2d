"""Which elements of two lists belong together, and in which order a merged list stands."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from indexer.merge.identity import likeness

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from indexer.merge.identity import Keys

OWN_ORDER = frozenset({"series", "instance"})
"""Lists in which our elements stand in our order."""

FIRST_STAYS = frozenset({"endpoint"})
"""Lists whose first element stays one of ours if it was: readers take the first endpoint."""


class Slot(NamedTuple):
    """One element of a merged list.

    Attributes
    ----------
    place
        Its place in our list, None for what others wrote.
    """

    place: int | None
    element: Any


def pair(mine: Sequence[Keys], theirs: Sequence[Keys]) -> dict[int, int]:
    """Places in their list → places in mine; each stands once. Like elements pair by occurrence."""
    places = {key: place for place, key in enumerate(_numbered(theirs))}
    pairs = {places[key]: here for here, key in enumerate(_numbered(mine)) if key in places}
    if len(pairs) < min(len(mine), len(theirs)):
        _pair_by_any_key(mine, theirs, pairs)
    return pairs


def _numbered(elements: Sequence[Keys]) -> list[Hashable]:
    """Best key of each; the second and later ones of a key with their number."""
    best = [keys[0] for keys in elements]
    if len(set(best)) == len(best):
        return best
    seen: Counter[Hashable] = Counter()
    numbered: list[Hashable] = []
    for key in best:
        numbered.append((key, seen[key]) if seen[key] else key)
        seen[key] += 1
    return numbered


def _pair_by_any_key(mine: Sequence[Keys], theirs: Sequence[Keys], pairs: dict[int, int]) -> None:
    """Pair what is left by weaker keys; two of which each has only one key would have paired already."""
    paired = set(pairs.values())
    left = [place for place in range(len(mine)) if place not in paired]
    free = [place for place in range(len(theirs)) if place not in pairs]
    many = [place for place in free if len(theirs[place]) > 1]
    found = (
        (likeness(mine[here], theirs[there]), here, there)
        for here in left
        for there in (free if len(mine[here]) > 1 else many)
    )
    for _, here, there in sorted((near, here, there) for near, here, there in found if near is not None):
        if there not in pairs and here not in paired:
            pairs[there] = here
            paired.add(here)


def arranged(name: str, slots: list[Slot], *, is_first_gone: bool) -> list[Any]:
    """Elements of a merged list in their order.

    Parameters
    ----------
    slots
        What stays, in their order, then our new ones.
    is_first_gone
        Whether the first element of their list was one of ours that we hold no longer: our first takes its place.
    """
    if name in OWN_ORDER:
        slots = _in_own_order(slots)
    elif name in FIRST_STAYS and is_first_gone:
        slots = sorted(slots, key=lambda slot: slot.place != 0)
    return [slot.element for slot in slots]


def _in_own_order(slots: list[Slot]) -> list[Slot]:
    """Ours in our order; what others wrote stays behind the element of ours that it followed."""
    followed = -1
    orders: list[tuple[int, int]] = []
    for index, slot in enumerate(slots):
        followed = followed if slot.place is None else slot.place
        orders.append((followed, index))
    return [slots[index] for _, index in sorted(orders)]
