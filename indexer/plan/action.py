"""Actions, and the plan that holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.model import Lookup, Patient, ResourceKey


class Verb(StrEnum):
    """What is done to a resource."""

    CREATE = "create"
    """The server does not hold it."""
    UPDATE = "update"
    """The server holds it, or may hold it."""
    WITHDRAW = "withdraw"
    """No archive has it any more; what others wrote into it stays."""
    NOTHING = "nothing"
    """It stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What becomes of one resource of the FHIR server.

    Attributes
    ----------
    body
        As mapped, in JSON: without an id; references to other resources are `ResourceKey.reference`.
    references
        ``Type/id`` by `ResourceKey.reference`, as far as known.
    fingerprint
        SHA-256 of the body.
    identifier
        Finds the resource on the server without its id; None for a Patient that has no identifier.
    fhir_id
        None if the server assigns it.
    version_id
        Last version that the server confirmed, None if unknown.
    is_shared
        Whether that version contains what others wrote.
    is_foreign
        Whether others created it: a Patient of which only the demographics follow the archive.
    is_abandoned
        Whether a process that died may have sent it.
    force
        Send it even if the server holds it already, and restore our values where others changed them.
    patient_key
        Of a Patient, and of a study that refers to one.
    patient_body
        The Patient of a study: a server may quote it when it refuses the study.
    """

    verb: Verb
    key: ResourceKey
    body: bytes
    fingerprint: str
    identifier: Lookup | None
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
        """Whether anything must be sent."""
        return self.verb is not Verb.NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePlan:
    """What becomes of every resource of a Bundle.

    Attributes
    ----------
    references
        ``Type/id`` by `ResourceKey.reference`, for resources whose id is known before anything is sent.
    patients
        What the ledger knows about each Patient once the plan is carried out, by patient key.
    """

    actions: Mapping[ResourceKey, Action]
    references: Mapping[str, str] = field(default_factory=dict)
    patients: Mapping[str, Patient] = field(default_factory=dict)


class Strategy(Protocol):
    """How resources get their ids, and how a server is asked to write one."""

    def fhir_id(self, key: ResourceKey, existing: Sequence[str] = ()) -> str | None:
        """Id of a resource that the ledger does not know, None if the server assigns it.

        Parameters
        ----------
        existing
            Ids of the resources on the server that have its identifier.
        """
        ...

    def request(self, action: Action, if_match: str | None) -> dict[str, str]:
        """``Bundle.entry.request``; `if_match` is the version to replace, None for any."""
        ...
