"""PN → HumanName.

Source: PS3.5 2024e, section 6.2.1 "Person Name (PN) Value Representation"; FHIR R4, 2.24.0.13 "HumanName".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.mapping.syntax import filled

if TYPE_CHECKING:
    from indexer.model import PersonName

_REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"


def human_names(name: PersonName) -> list[dict[str, Any]]:
    """One HumanName per component group that is not empty; groups are marked where there are several."""
    groups = (("ABC", name.alphabetic), ("IDE", name.ideographic), ("SYL", name.phonetic))
    made = [(code, human_name(group)) for code, group in groups]
    names = [(code, one) for code, one in made if one]
    if len(names) == 1 and names[0][0] == "ABC":
        return [names[0][1]]
    return [{"extension": [{"url": _REPRESENTATION, "valueCode": code}], **one} for code, one in names]


def human_name(group: str) -> dict[str, Any]:
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


def shown(name: PersonName) -> str | None:
    """A name in one line, by the first group that says anything."""
    texts = (human_name(group).get("text") for group in (name.alphabetic, name.ideographic, name.phonetic))
    return next((text for text in texts if text), None)
