"""Whom a study is of: a Patient of its own resource, of the study's, or only by its identifier; or a phantom."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from indexer.mapping.rules import Element, Subject
from indexer.model import ResourceKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from indexer.mapping.identity import Identity
    from indexer.mapping.rules import Rules
    from indexer.model import Attributes

_CONTAINED_ID = "patient"


def is_device(identity: Identity, datasets: Iterable[Attributes], rules: Rules) -> bool:
    """Whether the study is of a device, such as a phantom: by the site's patterns, or as the dataset says.

    Source: PS3.3 2024e, C.7.1.1 "Patient Module", Quality Control Subject.
    """
    if Element.DEVICE_SUBJECT not in rules.elements:
        return False
    is_named = any(fnmatchcase(identity.value, pattern) for pattern in rules.device_patient_ids)
    return is_named or any(dataset.text("QualityControlSubject") == "YES" for dataset in datasets)


def device_subject(identity: Identity) -> dict[str, Any]:
    """``subject`` (and nothing contained) of a study of a device."""
    identifier = {"system": identity.system, "value": identity.value}
    return {"subject": {"type": "Device", "identifier": identifier}}


def patient_subject(patient: dict[str, Any], key: str, rules: Rules) -> dict[str, Any]:
    """``subject``, and ``contained`` where the rules want the patient inside the study."""
    if rules.subject is Subject.LOGICAL:
        return {"subject": {"type": "Patient", "identifier": patient["identifier"][0]}}
    if rules.subject is Subject.CONTAINED:
        inner = {name: value for name, value in patient.items() if name != "meta"}
        inner = {"resourceType": inner.pop("resourceType"), "id": _CONTAINED_ID, **inner}
        return {"contained": [inner], "subject": {"reference": f"#{_CONTAINED_ID}"}}
    return {"subject": {"reference": ResourceKey("Patient", key).reference}}
