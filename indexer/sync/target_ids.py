"""The ids of our resources on the FHIR server, to compare and to show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from indexer.model import ResourceKey, literal_references
from indexer.sync.subjects import SubjectReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from indexer.health import ServerHealth
    from indexer.ledger import Ledger
    from indexer.mapping import Mapped
    from indexer.model import EndpointState, Published
    from indexer.plan import Strategy
    from indexer.sync.protocols import FhirTarget
    from indexer.sync.subjects import Subjects


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetIds:
    """Ids that the ledger knows, else those that the strategy assigns; None if neither does.

    Attributes
    ----------
    tries
        Failures of the FHIR server after which the last one is raised.
    """

    ledger: Ledger
    strategy: Strategy
    target: FhirTarget
    health: ServerHealth
    tries: int = 3

    def endpoints(self, sources: Iterable[str]) -> dict[str, str | None]:
        """Id of each source's Endpoint."""
        known = {source: self.ledger.endpoint(source) for source in sources}
        return self._ids("Endpoint", known, {source: state for source, state in known.items() if state})

    def studies(self, study_instance_uids: Sequence[str]) -> dict[str, str | None]:
        """Id of each study's ImagingStudy."""
        return self._ids("ImagingStudy", study_instance_uids, self.ledger.published(study_instance_uids))

    def subjects(self, mapped: Iterable[Mapped]) -> Subjects:
        """The Patients of studies, as the server has them now."""
        reader = SubjectReader(
            ledger=self.ledger, strategy=self.strategy, target=self.target, health=self.health, tries=self.tries
        )
        return reader.read(mapped)

    def literal(self, mapped: Mapping[str, Mapped], subjects: Subjects | None = None) -> dict[str, dict[str, Any]]:
        """Each ImagingStudy as the server should hold it, by UID: with its id and literal references."""
        studies = self.studies(list(mapped))
        patients = subjects or self.subjects(mapped.values())
        endpoints = self.endpoints({study.source for study in mapped.values()})
        by_type = {"Patient": patients.ids, "Endpoint": endpoints}
        references = literal_references(
            (ResourceKey(resource_type, key), fhir_id)
            for resource_type, ids in by_type.items()
            for key, fhir_id in ids.items()
        )
        return {uid: _bound(studies[uid], study.imaging_study, references) for uid, study in mapped.items()}

    def _ids(
        self, resource_type: str, keys: Iterable[str], known: Mapping[str, Published | EndpointState]
    ) -> dict[str, str | None]:
        return {
            key: known[key].fhir_id if key in known else self.strategy.fhir_id(ResourceKey(resource_type, key))
            for key in keys
        }


def _bound(fhir_id: str | None, study: dict[str, Any], references: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": fhir_id,
        **study,
        "subject": _literal(study["subject"], references),
        "endpoint": [_literal(reference, references) for reference in study["endpoint"]],
    }


def _literal(reference: dict[str, Any], references: Mapping[str, str]) -> dict[str, Any]:
    known = references.get(reference.get("reference", ""))
    return {**reference, "reference": known} if known else reference
