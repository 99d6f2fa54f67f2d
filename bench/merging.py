"""The three-way merge of studies that others wrote into, and what remembering our last version costs."""

from __future__ import annotations

import copy
import hashlib
import platform
import statistics
import time
from typing import TYPE_CHECKING, Any

import orjson

from indexer import mapping
from indexer.merge import Conflict, merge, pack, unpack
from indexer.model import Instance, Series, Study
from tests.fakes.attributes import from_keywords

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = "1.2.826.0.1.3680043.8.498"
CT = "1.2.840.10008.5.1.4.1.1.2"
NOTE = {"url": "https://example.org/read-by", "valueString": "somebody else"}
MERGED, GOAL_MS = 2_000, 20
PACKED = (100, 2_000, 50_000)
RUNS = 15

Resource = dict[str, Any]


def main() -> None:
    """Print the merge's time for several edits by others, and sizes and times of what is remembered."""
    before = study(MERGED)
    ours = copy.deepcopy(before) | {"description": "Corrected"}
    ours["series"][0]["instance"].append({**ours["series"][0]["instance"][-1], "uid": f"{ROOT}.9", "number": 9_999})
    for name, edit in EDITS.items():
        theirs = orjson.loads(orjson.dumps(before))
        edit(theirs)
        taken_ms = milliseconds(lambda theirs=theirs: merge(before, ours, theirs, Conflict.OURS))
        print(f"merge, {MERGED} instances, others {name}: {taken_ms:.2f} ms (goal {GOAL_MS} ms)")
    taken_ms = milliseconds(lambda: merge(None, ours, theirs, Conflict.OURS))
    print(f"merge, {MERGED} instances, the same without what was written last: {taken_ms:.2f} ms (goal {GOAL_MS} ms)")
    for count in PACKED:
        remembered(study(count), f"{count} instances")
    remembered(study(PACKED[-1], tail=scattered), f"{PACKED[-1]} instances, UIDs of 16 random digits")
    print(f"how: median of {RUNS} runs in one process, Python {platform.python_version()}, servers and ledger apart;")
    print("     R4 studies of 4 series, deep locations on each side, so that nothing is equal by being the same object")


def counted(number: int) -> str:
    """End of a UID as a modality makes it: a time and a count."""
    return f"20240102101112.{number * 7919}"


def scattered(number: int) -> str:
    """End of a UID that shares nothing with that of the next instance: the most that remembering can cost."""
    return str(int.from_bytes(hashlib.sha256(str(number).encode()).digest()[:8], "big"))[:16]


def study(count: int, tail: Callable[[int], str] = counted) -> Resource:
    """The ImagingStudy of a study of that many instances in four series."""
    parts = [series(number, count // 4, tail) for number in range(1, 5)]
    attributes = {"PatientID": "0042", "StudyDate": "20240102", "StudyTime": "101112", "StudyDescription": "Chest"}
    found = Study(
        study_instance_uid=f"{ROOT}.1",
        source="main",
        attributes=from_keywords({**attributes, "AccessionNumber": "A1"}),
        series=tuple(parts),
    )
    rules = mapping.Rules(site_key=b"k" * 32, patient_id_system="urn:oid:1.2.3.4", issuer="ignore")
    return mapping.map_study(found, rules).imaging_study


def series(number: int, count: int, tail: Callable[[int], str]) -> Series:
    """One series; its instances' UIDs share their root."""
    uid = f"{ROOT}.2.{number}"
    attributes = from_keywords({"Modality": "CT", "SeriesNumber": str(number)})
    instances = (Instance(f"{uid}.{tail(one)}", CT, str(one)) for one in range(1, count + 1))
    return Series(series_instance_uid=uid, attributes=attributes, instances=tuple(instances))


def annotate_study(theirs: Resource) -> None:
    theirs["extension"] = [NOTE]


def annotate_instances(theirs: Resource) -> None:
    for one in theirs["series"]:
        for instance in one["instance"]:
            instance["extension"] = [NOTE]


def add_instances(theirs: Resource) -> None:
    for one in theirs["series"]:
        held = one["instance"]
        one["instance"] = [part for old in held for part in ({**old, "uid": f"{old['uid']}.7"}, old)]


EDITS: dict[str, Callable[[Resource], None]] = {
    "wrote nothing": lambda _: None,
    "wrote an extension of the study": annotate_study,
    "wrote an extension into each instance": annotate_instances,
    "put an instance before each of ours": add_instances,
}


def remembered(resource: Resource, name: str) -> None:
    """Print what it costs to remember a study."""
    body = orjson.dumps(resource)
    packed = pack(body)
    packing_ms, reading_ms = milliseconds(lambda: pack(body)), milliseconds(lambda: unpack(packed))
    print(f"remember, {name}: {len(packed):,} bytes of {len(body):,} ({len(body) / len(packed):.0f}:1), ", end="")
    print(f"pack {packing_ms:.1f} ms, unpack {reading_ms:.1f} ms")


def milliseconds(run: Callable[[], object]) -> float:
    """Median time of a call."""
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1_000
