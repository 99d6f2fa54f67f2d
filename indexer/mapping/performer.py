"""Who and what made a series → ``series.performer``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.mapping.coding import IDENTIFIER_TYPE, coding, concept
from indexer.mapping.people import organization, practitioners
from indexer.mapping.rules import Element
from indexer.mapping.syntax import filled

if TYPE_CHECKING:
    from indexer.mapping.coded_entry import Entries
    from indexer.mapping.evidence import Evidence
    from indexer.mapping.rules import Rules

_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_PERFORMER = concept(coding(_PARTICIPATION, "PRF", "performer"))
_DEVICE = concept(coding(_PARTICIPATION, "DEV", "device"))
_CUSTODIAN = concept(coding(_PARTICIPATION, "CST", "custodian"))
_SERIAL_NUMBER = concept(coding(IDENTIFIER_TYPE, "SNO", "Serial Number"))
_PERSONS = (
    ("PerformingPhysicianName", "PerformingPhysicianIdentificationSequence"),
    ("OperatorsName", "OperatorIdentificationSequence"),
)


def performers(evidence: Evidence, entries: Entries, rules: Rules) -> list[dict[str, Any]]:
    """Performers that the rules ask for: persons, then the institution, then the device."""
    found = []
    if Element.PERFORMER in rules.elements:
        persons = [one for names, codes in _PERSONS for one in practitioners(evidence, entries, names, codes)]
        found += [{"function": _PERFORMER, "actor": one} for one in persons]
    place = organization(evidence) if Element.ORGANIZATION in rules.elements else None
    if place:
        found.append({"function": _CUSTODIAN, "actor": place})
    device = _device(evidence) if Element.DEVICE in rules.elements else None
    if device:
        found.append({"function": _DEVICE, "actor": device})
    return found


def _device(evidence: Evidence) -> dict[str, Any] | None:
    """Logical reference to the device: manufacturer, model and station for the reader, serial number as identifier."""
    texts = [evidence.text(keyword) for keyword in ("Manufacturer", "ManufacturerModelName")]
    name = " ".join(text for text in texts if text)
    station = evidence.text("StationName")
    display = f"{name} ({station})" if name and station else name or station
    serial_number = evidence.text("DeviceSerialNumber")
    identifier = {"type": _SERIAL_NUMBER, "value": serial_number} if serial_number else None
    reference = filled(identifier=identifier, display=display)
    return {"type": "Device", **reference} if reference else None
