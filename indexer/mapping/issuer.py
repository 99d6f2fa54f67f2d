"""Issuers of patient and accession numbers → ``identifier.system``.

Source: PS3.3 2024e, section 10.14 "Issuer of Patient ID Macro" and 10.14.1 "HL7v2 Hierarchic Designator Macro".
"""

from __future__ import annotations

import re
import uuid
from types import MappingProxyType
from typing import TYPE_CHECKING

from indexer.errors import StudyInvalid
from indexer.mapping.syntax import OID, URI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indexer.mapping.rules import Rules
    from indexer.model import Attributes

_NO_IDENTIFIER = re.compile(r"[\\\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd-\uffff]")
_WEB_URI = re.compile(r"(urn:|https?://)[^\s<>\"{}|\\^`]+")


def patient_id_system(dataset: Attributes, rules: Rules) -> str | None:
    """System of the PatientID of a dataset that names its issuer, None if it names none.

    An issuer that is neither configured nor worldwide unique still keeps patients apart: its system is a ``urn:uuid:``
    made from the source's own system and the issuer's text (UUIDv5; RFC 9562, section 5.5).
    """
    local = patient_identifier(dataset, "IssuerOfPatientID")
    qualifiers = dataset.item("IssuerOfPatientIDQualifiersSequence")
    universal = patient_identifier(qualifiers, "UniversalEntityID")
    known = _known(local, universal, rules.issuer_systems)
    if known or not (local or universal):
        return known
    worldwide = worldwide_system(universal, qualifiers.text("UniversalEntityIDType"))
    if worldwide:
        return worldwide
    return local if local and _WEB_URI.fullmatch(local) else _own(rules, local or universal or "")


def patient_identifier(dataset: Attributes, keyword: str) -> str | None:
    """A text by which patients are told apart; only its padding is dropped, else two people may become one.

    Raises
    ------
    StudyInvalid
        With ``patient_id_charset``, if its characters are not known for sure; with ``bad_patient_id``, if it has
        characters that no identifier can have. A backslash is one: it separates values (PS3.5 2024e, section 6.2).
    """
    cause = dataset.undecoded_cause(keyword)
    if cause == "charset_unknown":
        raise StudyInvalid(
            f"The study's {keyword} has characters beyond ASCII, and its character set is not known.",
            cause="patient_id_charset",
            hint="Correct SpecificCharacterSet (0008,0005) in the archive; the study is then indexed by itself.",
        )
    text = dataset.identifying(keyword)
    if cause or _NO_IDENTIFIER.search(text) or text.isspace():
        raise StudyInvalid(
            f"The study's {keyword} has a backslash, control characters or unreadable ones, or only white space.",
            cause="bad_patient_id",
            hint="Correct it in the archive; the study is then indexed by itself.",
        )
    return text or None


def designated_system(issuer: Attributes, systems: Mapping[str, str] = MappingProxyType({})) -> str | None:
    """System by an item of the HL7v2 Hierarchic Designator Macro: as configured, else worldwide, else None."""
    universal = issuer.text("UniversalEntityID")
    known = _known(issuer.text("LocalNamespaceEntityID"), universal, systems)
    return known or worldwide_system(universal, issuer.text("UniversalEntityIDType"))


def names_issuer(issuer: Attributes) -> bool:
    """Whether an item of the HL7v2 Hierarchic Designator Macro names anybody."""
    return bool(issuer.text("LocalNamespaceEntityID") or issuer.text("UniversalEntityID"))


def worldwide_system(universal: str | None, kind: str | None) -> str | None:
    """URI of a universal entity id of the kind ISO, UUID or URI; other kinds need the configuration."""
    if universal is None:
        return None
    if kind == "ISO" and OID.fullmatch(universal):
        return f"urn:oid:{universal}"
    if kind == "UUID":
        return _uuid_urn(universal)
    return universal if kind == "URI" and URI.fullmatch(universal) else None


def _known(local: str | None, universal: str | None, systems: Mapping[str, str]) -> str | None:
    return next((systems[text] for text in (local, universal) if text and text in systems), None)


def _uuid_urn(text: str) -> str | None:
    try:
        return uuid.UUID(text).urn
    except ValueError:
        return None


def _own(rules: Rules, issuer: str) -> str:
    namespace = uuid.uuid5(uuid.NAMESPACE_URL, rules.patient_id_system)
    return uuid.uuid5(namespace, issuer).urn
