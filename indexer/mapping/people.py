"""Persons, institutions and devices: names (PN → HumanName), referrer, readers, performers of a series.

All but the patient are logical references, never resources.
Source: PS3.5 2024e, section 6.2.1 "Person Name (PN) Value Representation"; FHIR R4, 2.24.0.13 "HumanName".
"""

from __future__ import annotations

from operator import methodcaller
from typing import TYPE_CHECKING

from indexer.mapping.coding import IDENTIFIER_TYPE, coding, concept
from indexer.mapping.rules import Element
from indexer.mapping.syntax import filled

if TYPE_CHECKING:
    from indexer.mapping.context import Context
    from indexer.mapping.syntax import Json
    from indexer.model import Attributes, PersonName

_REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_PERFORMER = concept(coding(_PARTICIPATION, "PRF", "performer"))
_DEVICE = concept(coding(_PARTICIPATION, "DEV", "device"))
_CUSTODIAN = concept(coding(_PARTICIPATION, "CST", "custodian"))
_DEVICE_ATTRIBUTES = ("Manufacturer", "ManufacturerModelName", "StationName", "DeviceSerialNumber")
_SERIAL_NUMBER = concept(coding(IDENTIFIER_TYPE, "SNO", "Serial Number"))


def human_names(name: PersonName) -> list[Json]:
    """One HumanName per component group that is not empty; groups are marked where there are several."""
    groups = (("ABC", name.alphabetic), ("IDE", name.ideographic), ("SYL", name.phonetic))
    names = [(code, made) for code, group in groups if (made := _human_name(group))]
    if len(names) == 1 and names[0][0] == "ABC":
        return [names[0][1]]
    return [{"extension": [{"url": _REPRESENTATION, "valueCode": code}], **made} for code, made in names]


def shown(name: PersonName) -> str | None:
    """A name in one line, by the first group that says anything."""
    texts = (_human_name(group).get("text") for group in (name.alphabetic, name.ideographic, name.phonetic))
    return next((text for text in texts if text), None)


def referrer(context: Context) -> Json | None:
    """Reference to the physician who sent the patient."""
    persons = _practitioners(context, "ReferringPhysicianName", "ReferringPhysicianIdentificationSequence")
    return persons[0] if persons else None


def interpreters(context: Context) -> list[Json]:
    """References to the physicians who read the study."""
    return _practitioners(context, "NameOfPhysiciansReadingStudy", "PhysiciansReadingStudyIdentificationSequence")


def performers(context: Context) -> list[Json]:
    """Who and what made a series: persons, then the institution, then the device."""
    persons = context.wanted(Element.PERFORMER, _performing_persons) or []
    others = (
        (_CUSTODIAN, context.wanted(Element.ORGANIZATION, _organization)),
        (_DEVICE, context.wanted(Element.DEVICE, _device)),
    )
    actors = [*((_PERFORMER, person) for person in persons), *others]
    return [{"function": function, "actor": actor} for function, actor in actors if actor]


def _human_name(group: str) -> Json:
    """One component group, ``family^given^middle^prefix^suffix``; empty if no component says anything."""
    parts = [" ".join(part.split()) for part in group.split("^")]
    family, given, middle, prefix, suffix = (parts + [""] * 5)[:5]
    text = " ".join(part for part in (prefix, given, middle, family, suffix) if part)
    return filled(
        text=text,
        family=family,
        given=[part for part in (given, middle) if part],
        prefix=[prefix] if prefix else [],
        suffix=[suffix] if suffix else [],
    )


def _performing_persons(context: Context) -> list[Json]:
    performing = _practitioners(context, "PerformingPhysicianName", "PerformingPhysicianIdentificationSequence")
    return performing + _practitioners(context, "OperatorsName", "OperatorIdentificationSequence")


def _organization(context: Context) -> Json | None:
    """Reference to the institution where the series was made."""
    name = context.evidence.text("InstitutionName")
    return {"type": "Organization", "display": name} if name else None


def _device(context: Context) -> Json | None:
    """Logical reference to the device: manufacturer, model and station for the reader, serial number as identifier."""
    device = context.evidence.chosen(_stated_device, *_DEVICE_ATTRIBUTES)
    if device is None:
        return None
    manufacturer, model, station, serial_number = device
    name = " ".join(part for part in (manufacturer, model) if part)
    display = f"{name} ({station})" if name and station else name or station
    identifier = {"type": _SERIAL_NUMBER, "value": serial_number} if serial_number else None
    return {"type": "Device", **filled(identifier=identifier, display=display)}


def _stated_device(dataset: Attributes) -> tuple[str | None, ...] | None:
    """All that a dataset says of its device, so that no device is made of two."""
    texts = tuple(map(dataset.text, _DEVICE_ATTRIBUTES))
    return texts if any(texts) else None


def _practitioners(context: Context, names: str, codes: str) -> list[Json]:
    """References to the persons of a PN attribute, with the items of its identification sequence, if there are as many.

    An item without a name is a person, too, where no names are stated.
    """
    evidence = context.evidence
    stated: tuple[PersonName | None, ...] = evidence.person_names(names)
    of_names = evidence.where(methodcaller("person_names", names), stated or None, names)
    items: tuple[Attributes | None, ...] = of_names.chosen(lambda dataset: dataset.items(codes) or None, codes) or ()
    if not stated:
        stated = (None,) * len(items)
    elif len(stated) != len(items):
        items = (None,) * len(stated)
    persons = (_person(name, item, context) for name, item in zip(stated, items, strict=True))
    return [person for person in persons if person]


def _person(name: PersonName | None, item: Attributes | None, context: Context) -> Json | None:
    display = shown(name) if name else None
    code = item.item("PersonIdentificationCodeSequence") if item else None
    identification = (context.entries.concept("PersonIdentificationCodeSequence", code) if code else None) or {}
    coded = identification.get("coding", [{}])[0]
    identifier = filled(system=coded.get("system"), value=coded.get("code"))
    reference = filled(identifier=identifier, display=display or identification.get("text"))
    return {"type": "Practitioner", **reference} if reference else None
