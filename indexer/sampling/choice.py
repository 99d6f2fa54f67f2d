"""The instances of a series whose datasets are read, and what of a dataset is kept."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, Final

import orjson

from indexer.model import is_uid_like
from indexer.model.objects import is_image
from indexer.sampling.legible import legible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.model import Instance, Series

_MAX_ELEMENT_BYTES: Final = 16 * 1024
# A file that cannot be read is passed over for the next one of its series, but not many times.
_TRIES: Final = 3
_PIXELS: Final = "7FE0"


@dataclass(frozen=True, slots=True)
class Speakers:
    """Instances that speak for a series.

    Attributes
    ----------
    images
        A few, in order: the first whose dataset can be read speaks for all images.
    others
        Objects that are no images; each speaks for itself.
    """

    images: tuple[Instance, ...]
    others: tuple[Instance, ...]

    @property
    def first(self) -> tuple[Instance, ...]:
        """Those that are read where every file can be."""
        return (*self.others, *self.images[:1])


def speakers(series: Series, cap: int) -> Speakers:
    """The instances that speak for a series, the same whenever it is read; none where its own UID is none.

    Parameters
    ----------
    cap
        Objects that are no images, at most.
    """
    if not is_uid_like(series.series_instance_uid):
        return Speakers((), ())
    images = [instance for instance in series.instances if is_image(instance.sop_class_uid)]
    others = [instance for instance in series.instances if not is_image(instance.sop_class_uid)]
    return Speakers(_first(_TRIES, images), _first(cap, others))


def slim(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """A dataset without what is bulky or cannot be told apart: pixel data, bulk data, private attributes.

    What is left and cannot be read is marked (`indexer.sampling.legible`).
    """
    elements = {tag: legible(tag, element) for tag, element in dataset.items() if _is_public(tag, element)}
    # Contours, frames and long reports: what is mapped is far smaller, and hundreds of series are held at once.
    return {tag: element for tag, element in elements.items() if len(orjson.dumps(element)) <= _MAX_ELEMENT_BYTES}


def _is_public(tag: str, element: object) -> bool:
    is_private = len(tag) != 8 or tag[3] in "13579bdfBDF"
    is_bulk = isinstance(element, dict) and ("InlineBinary" in element or "BulkDataURI" in element)
    return not (is_private or is_bulk or tag.startswith(_PIXELS)) and isinstance(element, dict)


def _first(count: int, instances: Sequence[Instance]) -> tuple[Instance, ...]:
    """The first that can be asked for, by InstanceNumber, those without one last, then by UID."""
    chosen = nsmallest(count, instances, key=_order)
    if not all(is_uid_like(instance.sop_instance_uid) for instance in chosen):
        return _first(count, [instance for instance in instances if is_uid_like(instance.sop_instance_uid)])
    return tuple(chosen)


def _order(instance: Instance) -> tuple[bool, int, str]:
    return *_number(instance.instance_number), instance.sop_instance_uid


def _number(text: str | None) -> tuple[bool, int]:
    try:
        return False, int(text or "")
    except ValueError:
        return True, 0
