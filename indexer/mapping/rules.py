"""Everything about the mapping that a site can choose."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo


class Release(StrEnum):
    """FHIR releases that resources can be made for."""

    R4 = "R4"
    R4B = "R4B"
    R5 = "R5"
    R6 = "R6"


@dataclass(frozen=True, slots=True)
class Instances:
    """Whether single instances are listed below their series; counts are exact either way.

    Attributes
    ----------
    cap
        With ``capped``: a study of more instances than this lists none of them.
    """

    level: Literal["full", "capped", "none"] = "full"
    cap: int | None = None

    def are_listed(self, number_of_instances: int) -> bool:
        """Whether a study of so many instances lists them."""
        if self.level == "capped":
            return self.cap is None or number_of_instances <= self.cap
        return self.level == "full"


def _no_systems() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How studies of one source are mapped.

    Attributes
    ----------
    site_key
        Secret behind the ids of Patients and the digests of names.
    patient_id_system
        ``identifier.system`` of a PatientID that names no issuer.
    issuer
        ``ignore`` takes every PatientID as the source's own, whatever issuer it names.
    issuer_systems
        Text or universal id of an issuer → ``identifier.system``.
    accession_systems
        The same for the issuers of accession numbers.
    accession_system
        ``identifier.system`` of an accession number that names no issuer; None leaves the system out.
    timezone
        Zone of times that state no offset; None keeps the date alone.
    based_on
        Refer to the order by its accession number, beside the accession identifier.
    """

    site_key: bytes
    patient_id_system: str
    release: Release = Release.R4
    timezone: ZoneInfo | None = None
    issuer: Literal["read", "ignore"] = "read"
    issuer_systems: Mapping[str, str] = field(default_factory=_no_systems)
    accession_systems: Mapping[str, str] = field(default_factory=_no_systems)
    accession_system: str | None = None
    instances: Instances = field(default_factory=Instances)
    based_on: bool = True
