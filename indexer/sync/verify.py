"""Compare whole archives with what the FHIR server holds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from indexer import mapping
from indexer.batched import batched
from indexer.difference import differences
from indexer.errors import PeerError, Refused, StudyError, StudyInvalid, StudyVanished
from indexer.sync.drain.study_reader import STUDIES_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from indexer.health import ServerHealth
    from indexer.ledger import Ledger
    from indexer.mapping import Mapped
    from indexer.model import Fetched, Study, StudyLocation
    from indexer.sync.drain.study_reader import StudyReader
    from indexer.sync.protocols import FhirTarget
    from indexer.sync.target_ids import TargetIds

CHUNK = 2 * STUDIES_AT_ONCE
"""Studies that one search compares, so that two readers have work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One study, or another resource, that is not as it should be."""

    study_instance_uid: str
    differences: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Report:
    """What was compared, and the result.

    Attributes
    ----------
    quarantined, unsettled
        Studies that are known not to be published, or not in their current state; they do not count as different.
    notes
        What could not be compared, and why.
    """

    studies: int = 0
    series: int = 0
    instances: int = 0
    findings: list[Finding] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        return not self.findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """Reads every study again and compares it with what the server finds by identifier.

    Attributes
    ----------
    endpoints
        Each source's Endpoint as it would be written.
    tries
        Failures of a server in a row that end the comparison.
    """

    ledger: Ledger
    target: FhirTarget
    studies: StudyReader
    ids: TargetIds
    endpoints: Mapping[str, Callable[[], dict[str, Any]]]
    health: ServerHealth
    tries: int
    threads: int = 2

    def verify(self) -> Report:
        """Compare everything; raises `PeerError` if a server fails, because half a comparison proves nothing."""
        report = Report()
        self._endpoints(report)
        locations: dict[str, tuple[StudyLocation, ...]] = {}
        for configured in self.studies.sources.values():
            for location in configured.source.list_locations():
                locations[location.study_instance_uid] = (*locations.get(location.study_instance_uid, ()), location)
        with ThreadPoolExecutor(self.threads) as pool:
            for uids in batched(sorted(locations), CHUNK):
                self._verify({uid: locations[uid] for uid in uids}, pool, report)
        self._extras(frozenset(locations), report)
        return report

    def _verify(
        self, locations: Mapping[str, tuple[StudyLocation, ...]], pool: ThreadPoolExecutor, report: Report
    ) -> None:
        """Compare a chunk of studies. What differs is compared twice: it may have been published between two reads."""
        expected = self._read(locations, pool)
        for mapped in expected.values():
            report.studies += not isinstance(mapped, StudyVanished)
            if not isinstance(mapped, StudyError):
                report.series += mapped.imaging_study.get("numberOfSeries", 0)
                report.instances += mapped.imaging_study.get("numberOfInstances", 0)
        different = self._differences(expected)
        if different:
            different = self._differences(self._read({uid: locations[uid] for uid in different}, pool))
        for uid, texts in sorted(different.items()):
            self._file(uid, texts, report)

    def _read(
        self, locations: Mapping[str, tuple[StudyLocation, ...]], pool: ThreadPoolExecutor
    ) -> dict[str, Mapped | StudyError]:
        expected: dict[str, Mapped | StudyError] = {}
        for batch in pool.map(self._read_batch, batched(locations.items(), STUDIES_AT_ONCE)):
            expected |= batch
        return expected

    def _read_batch(self, studies: Sequence[tuple[str, tuple[StudyLocation, ...]]]) -> dict[str, Mapped | StudyError]:
        ahead = self.studies.read_ahead([locations for _, locations in studies])
        return {uid: self._expected(uid, locations, ahead) for uid, locations in studies}

    def _expected(
        self, uid: str, locations: tuple[StudyLocation, ...], ahead: Mapping[StudyLocation, Study]
    ) -> Mapped | StudyError:
        try:
            study, source = self.studies.read(locations, ahead)
            return mapping.map_study(study, source.rules)
        except StudyError as error:
            return error
        except PeerError as error:
            known = self.ledger.study(uid)
            if known is None or known.quarantine is None:
                raise
            return StudyInvalid(error.message, cause=known.quarantine.cause)

    def _differences(self, expected: Mapping[str, Mapped | StudyError]) -> dict[str, tuple[str, ...]]:
        """What differs, by UID; studies that vanished meanwhile do not."""
        hits = self._published(sorted(expected))
        mapped = {uid: study for uid, study in expected.items() if not isinstance(study, StudyError)}
        subjects = self.ids.subjects(mapped.values())
        literal = self.ids.literal(mapped, subjects)
        different: dict[str, tuple[str, ...]] = {
            uid: (f"not published: {error.cause}",)
            for uid, error in expected.items()
            if isinstance(error, StudyError) and not isinstance(error, StudyVanished)
        }
        for uid, study in mapped.items():
            texts = differences(literal[uid], [hit.resource for hit in hits.get(uid, ())])
            if study.has_patient and study.patient_key not in subjects.right:
                texts += ("subject is missing or has another identifier",)
            if texts:
                different[uid] = texts
        return different

    def _published(self, uids: Sequence[str]) -> dict[str, tuple[Fetched, ...]]:
        """The ImagingStudies with each UID; as few at a time as it takes, for a large one fills an answer alone."""

        def ask(uids: Sequence[str]) -> list[tuple[Fetched, ...]]:
            found = self.target.find_studies(uids)
            return [tuple(found.get(uid, ())) for uid in uids]

        hits = self.health.call_many("read studies", ask, uids, most=CHUNK, tries=self.tries)
        return dict(zip(uids, hits, strict=True))

    def _file(self, uid: str, texts: tuple[str, ...], report: Report) -> None:
        known = self.ledger.study(uid)
        if known is not None and known.quarantine is not None:
            report.quarantined.append(uid)
        elif known is not None and known.dirty is not None:
            report.unsettled.append(uid)
        else:
            report.findings.append(Finding(study_instance_uid=uid, differences=texts))

    def _extras(self, uids: frozenset[str], report: Report) -> None:
        """Studies of ours that no source has: those of the ledger, and those that refer to our Endpoints."""
        gone = sorted(self.ledger.published_uids() - uids)
        for chunk in batched(gone, CHUNK):
            ids = self.ids.studies(chunk)
            for uid, hits in self._published(chunk).items():
                if any(hit.resource.get("id") == ids[uid] for hit in hits):
                    self._file(uid, _EXTRA, report)
        known = set(self.ids.studies([*uids, *gone]).values())
        for endpoint_id in self.ids.endpoints(self.endpoints).values():
            try:
                unknown = [fhir_id for fhir_id in self.target.studies_at(endpoint_id or "") if fhir_id not in known]
            except Refused:
                report.notes.append("the FHIR server cannot search by endpoint: extra studies were not searched for")
                return
            report.findings += [
                Finding(study_instance_uid=f"ImagingStudy/{fhir_id}", differences=_EXTRA) for fhir_id in unknown
            ]

    def _endpoints(self, report: Report) -> None:
        references = [f"Endpoint/{fhir_id}" for fhir_id in self.ids.endpoints(self.endpoints).values()]
        current = self.target.fetch(references)
        for reference, endpoint, present in zip(references, self.endpoints.values(), current, strict=True):
            if present is None or present.resource.get("address") != endpoint()["address"]:
                finding = Finding(study_instance_uid=reference, differences=("missing or wrong Endpoint",))
                report.findings.append(finding)


_EXTRA = ("extra study: no source holds it",)
