"""Which SOP classes are no images: each of their instances says something of its own.

Source: PS3.4 2024e, table B.5-1 "Standard SOP Classes", and PS3.6 2024e, table A-1 for the retired ones.
"""

from __future__ import annotations

import functools
from typing import Final

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."

# Below ``1.2.840.10008.5.1.4.1.1.``; a trailing point stands for all classes below it.
_NOT_IMAGES: Final = (
    "9.",  # waveforms
    "11.",  # presentation states
    "34.",  # radiotherapy: deliveries, ion plans
    "66",  # raw data
    "66.",  # registrations, fiducials, segmentations, tractography
    "67",  # real world value mapping
    "68.",  # surface scans
    "78.",  # ophthalmic measurements
    "79.",  # macular grid
    "80.",  # visual field
    "88.",  # structured reports, key object selections
    "90.",  # content assessment
    "91.",  # microscopy bulk annotations
    "104.",  # encapsulated PDF, CDA, STL, OBJ, MTL
    "131",  # structured display
    "200.",  # protocols
    "201.",  # inventory
    "481.2",  # RT dose
    "481.3",  # RT structure set
    "481.4",  # RT beams treatment record
    "481.5",  # RT plan
    "481.6",  # RT brachy treatment record
    "481.7",  # RT treatment summary record
    "481.8",  # RT ion plan
    "481.9",  # RT ion beams treatment record
    "481.10",  # RT physician intent
    "481.11",  # RT segment annotation
    "481.12",  # RT radiation set
    "481.13",  # C-arm photon-electron radiation
    "481.14",  # tomotherapeutic radiation
    "481.15",  # robotic-arm radiation
    "481.16",  # RT radiation record set
    "481.17",  # RT radiation salvage record
    "481.18",  # tomotherapeutic radiation record
    "481.19",  # C-arm photon-electron radiation record
    "481.20",  # robotic radiation record
    "481.21",  # RT radiation set delivery instruction
    "481.22",  # RT treatment preparation
    "481.25",  # RT patient position acquisition instruction
)
_BELOW: Final = tuple(_STORAGE + suffix for suffix in _NOT_IMAGES if suffix.endswith("."))
_EXACT: Final = frozenset(_STORAGE + suffix for suffix in _NOT_IMAGES if not suffix.endswith("."))


@functools.lru_cache(maxsize=1024)
def is_image(sop_class_uid: str | None) -> bool:
    """Whether instances of this class are images; what is not known is taken for one."""
    return sop_class_uid is None or not (sop_class_uid in _EXACT or sop_class_uid.startswith(_BELOW))
