"""Entries to deliver, and who delivers them."""

import time
from typing import Any

from indexer.bundle import Entry, Limits, Sizer, TypePolicy
from indexer.errors import Conflict, Unavailable
from indexer.model import ResourceKey
from indexer.sync.drain.answers import Answers
from indexer.sync.drain.send import BundleSender
from tests.fakes.memory import MemoryTarget
from tests.resources import put_entry
from tests.unit.world import quick

DOWN = Unavailable("down", peer="fhir", status=503)
BROKEN = Unavailable("broken", peer="fhir", status=500)
CONFLICT = Conflict("409", peer="fhir", status=409)


def sender(target: MemoryTarget, *, wanted: Any = "auto", **options: Any) -> BundleSender:
    return BundleSender(
        target=target,
        sizer=Sizer.begin(Limits(), 1.0),
        types=TypePolicy(wanted=wanted),
        health=quick("fhir", stop=options.pop("stop", None), max_s=0.002),
        clock=time.monotonic,
        **options,
    )


def patient(number: int) -> Entry:
    return put_entry({"resourceType": "Patient", "id": f"p{number}", "active": True}, patient_key=f"key{number}")


def imaging(number: int, of: int | None = None) -> Entry:
    key = number if of is None else of
    resource = {
        "resourceType": "ImagingStudy",
        "id": f"s{number}",
        "status": "available",
        "subject": {"reference": f"Patient/p{key}"},
        "text": {"status": "generated"},
    }
    return put_entry(resource, patient_key=f"key{key}")


def pairs(count: int) -> list[Entry]:
    """Studies, each with a patient of its own."""
    return [entry for number in range(count) for entry in (patient(number), imaging(number))]


def key(reference: str) -> ResourceKey:
    """What the entry of this ``Type/id`` is known by here."""
    return ResourceKey(*reference.split("/"))


def missing(entries: list[Entry], answers: Answers) -> set[str]:
    """What was to be delivered and did not land."""
    landed = {key.reference for key, answer in answers.items() if answer.is_accepted}
    return {entry.reference for entry in entries} - landed


def undelivered(target: MemoryTarget, entries: list[Entry], **options: Any) -> set[str]:
    """What does not land of these entries."""
    return missing(entries, sender(target, **options).deliver(entries))


def kinds(target: MemoryTarget) -> list[str]:
    """Types of the Bundles that arrived."""
    return [kind for kind, _ in target.sent]
