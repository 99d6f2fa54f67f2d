"""Actions, and the plan that holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.model import Lookup, Patient, ResourceKey


class Verb(StrEnum):
    """What is done with a resource."""

    CREATE = "create"
    """Nothing stands there."""
    UPDATE = "update"
    """Something stands there, or may."""
    WITHDRAW = "withdraw"
    """No archive holds it any more; what others wrote into it stays."""
    NOTHING = "nothing"
    """What stands there stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What becomes of one resource of the FHIR server.

    Attributes
    ----------
    body
        As mapped, in JSON: without an id, and referring to others by `ResourceKey.reference`.
    references
        ``Type/id`` of those that are known, by what stands in the body.
    fingerprint
        SHA-256 of the body.
    identifier
        How the server can find the resource without its id.
    fhir_id
        None where the server gives it.
    version_id
        Version that the server confirmed last, None if unknown.
    is_shared
        Whether that version holds what others wrote.
    is_foreign
        Whether others made it: a Patient of which only the demographics follow the archive.
    is_abandoned
        Whether a process died that may have sent it.
    force
        Whether it is sent even if the server holds it already, and our values hold even where others changed them.
    patient_key
        Of a Patient, and of a study that refers to one.
    patient_body
        The Patient that a study is of: a server may quote its words when it refuses the study.
    """

    verb: Verb
    key: ResourceKey
    body: bytes
    fingerprint: str
    identifier: Lookup
    fhir_id: str | None
    version_id: str | None = None
    is_shared: bool = False
    is_foreign: bool = False
    is_abandoned: bool = False
    force: bool = False
    patient_key: str | None = None
    patient_body: bytes | None = None
    references: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_due(self) -> bool:
        """Whether anything has to be sent."""
        return self.verb is not Verb.NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePlan:
    """What becomes of every resource of a Bundle.

    Attributes
    ----------
    references
        ``Type/id`` by `ResourceKey.reference`, of the resources whose id is known before anything is sent.
    patients
        What the ledger knows of each Patient once all is in, by patient key.
    """

    actions: Mapping[ResourceKey, Action]
    references: Mapping[str, str] = field(default_factory=dict)
    patients: Mapping[str, Patient] = field(default_factory=dict)


class Strategy(Protocol):
    """How resources get their ids, and how a server is asked to write one."""

    def fhir_id(self, key: ResourceKey, existing: Sequence[str] = ()) -> str | None:
        """Id of a resource that the ledger does not know; None if the server gives it.

        Parameters
        ----------
        existing
            Ids of the resources that bear its identifier.
        """
        ...

    def request(self, action: Action, if_match: str | None) -> dict[str, str]:
        """``Bundle.entry.request``.

        Parameters
        ----------
        if_match
            Version that must still be the present one, None if any may be overwritten.
        """
        ...
