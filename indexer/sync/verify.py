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
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from indexer.health import ServerHealth
    from indexer.ledger import Ledger
    from indexer.mapping import Mapped
    from indexer.model import Fetched, Study, StudyLocation
    from indexer.sync.drain.read import Reader
    from indexer.sync.protocols import FhirTarget
    from indexer.sync.target_ids import TargetIds

CHUNK = 2 * STUDIES_AT_ONCE
"""Studies that are searched for in one go, so that two readers have work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One study that is not as it should be."""

    study_instance_uid: str
    differences: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Report:
    """What was compared and what was found.

    Attributes
    ----------
    quarantined, unsettled
        Studies that are known not to be published, or not as they are now; they do not count as different.
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
    """Reads every study anew and compares it with the server's answer to a search by identifier.

    Attributes
    ----------
    endpoints
        Each source's Endpoint as it would be written.
    health
        The FHIR server's.
    tries
        Failures of a server that end it; more than one, for an hour's comparison hangs on each answer.
    """

    ledger: Ledger
    target: FhirTarget
    reader: Reader
    ids: TargetIds
    endpoints: Mapping[str, Callable[[], dict[str, Any]]]
    health: ServerHealth
    tries: int
    threads: int = 2

    def verify(self) -> Report:
        """Compare everything.

        Raises
        ------
        PeerError
            If a server fails: half a comparison proves nothing. Not for a study that is in quarantine already.
        """
        report = Report()
        self._endpoints(report)
        locations: dict[str, tuple[StudyLocation, ...]] = {}
        for pipeline in self.reader.pipelines.values():
            for location in pipeline.source.list_locations():
                locations[location.study_instance_uid] = (*locations.get(location.study_instance_uid, ()), location)
        uids = sorted(locations)
        with ThreadPoolExecutor(self.threads) as pool:
            for start in range(0, len(uids), CHUNK):
                self._verify({uid: locations[uid] for uid in uids[start : start + CHUNK]}, pool, report)
        self._extras(frozenset(uids), report)
        return report

    def _verify(
        self, locations: Mapping[str, tuple[StudyLocation, ...]], pool: ThreadPoolExecutor, report: Report
    ) -> None:
        """Compare some studies. What differs is looked at twice: it may have been published between the two reads."""
        expected = self._read(locations, pool)
        for one in expected.values():
            report.studies += not isinstance(one, StudyVanished)
            if not isinstance(one, StudyError):
                report.series += one.imaging_study.get("numberOfSeries", 0)
                report.instances += one.imaging_study.get("numberOfInstances", 0)
        different = self._differences(expected)
        if different:
            different = self._differences(self._read({uid: locations[uid] for uid in different}, pool))
        for uid, found in different.items():
            self._file(uid, found, report)

    def _read(
        self, locations: Mapping[str, tuple[StudyLocation, ...]], pool: ThreadPoolExecutor
    ) -> dict[str, Mapped | StudyError]:
        expected: dict[str, Mapped | StudyError] = {}
        for batch in pool.map(self._read_batch, batched(locations.items(), STUDIES_AT_ONCE)):
            expected |= batch
        return expected

    def _read_batch(self, studies: Sequence[tuple[str, tuple[StudyLocation, ...]]]) -> dict[str, Mapped | StudyError]:
        ahead = self.reader.studies.read_ahead([locations for _, locations in studies])
        return {uid: self._expected(uid, locations, ahead) for uid, locations in studies}

    def _expected(
        self, uid: str, locations: tuple[StudyLocation, ...], ahead: Mapping[StudyLocation, Study]
    ) -> Mapped | StudyError:
        try:
            study, pipeline = self.reader.studies.read(locations, ahead)
            return mapping.map_study(study, pipeline.rules)
        except StudyError as error:
            return error
        except PeerError as error:
            known = self.ledger.study(uid)
            if known is None or known.quarantine is None:
                raise
            return StudyInvalid(error.message, cause=known.quarantine.cause)

    def _differences(self, expected: Mapping[str, Mapped | StudyError]) -> dict[str, tuple[str, ...]]:
        """What differs, by UID; studies that vanished meanwhile do not."""
        held = self.health.call("search", lambda: self.target.find_studies(sorted(expected)), tries=self.tries)
        mapped = {uid: one for uid, one in expected.items() if not isinstance(one, StudyError)}
        literal = self.ids.literal(mapped)
        patients = self._patients([literal[uid] for uid, one in mapped.items() if one.has_patient])
        found: dict[str, tuple[str, ...]] = {}
        for uid, one in expected.items():
            if isinstance(one, StudyVanished):
                continue
            if isinstance(one, StudyError):
                found[uid] = (f"not published: {one.cause}",)
                continue
            found[uid] = differences(literal[uid], [item.resource for item in held.get(uid, ())])
            if one.has_patient and not _has_identifier(patients[_subject(literal[uid])], one.patient):
                found[uid] += ("subject is missing or bears another identifier",)
        return {uid: some for uid, some in found.items() if some}

    def _patients(self, studies: Iterable[dict[str, Any]]) -> dict[str, Fetched | None]:
        subjects = sorted({_subject(study) for study in studies})
        held = self.health.call("read", lambda: self.target.fetch(subjects), tries=self.tries) if subjects else ()
        return dict(zip(subjects, held, strict=True))

    def _file(self, uid: str, found: Sequence[str], report: Report) -> None:
        known = self.ledger.study(uid)
        if known is not None and known.quarantine is not None:
            report.quarantined.append(uid)
        elif known is not None and known.dirty is not None:
            report.unsettled.append(uid)
        else:
            report.findings.append(Finding(study_instance_uid=uid, differences=tuple(found)))

    def _extras(self, uids: frozenset[str], report: Report) -> None:
        """Studies of ours that no source holds: by the ledger, and by their reference to our Endpoints."""
        gone = sorted(self.ledger.published_uids() - uids)
        for start in range(0, len(gone), CHUNK):
            chunk = gone[start : start + CHUNK]
            ids = self.ids.studies(chunk)
            for uid, held in self.target.find_studies(chunk).items():
                if any(one.resource.get("id") == ids[uid] for one in held):
                    self._file(uid, ("extra study: no source holds it",), report)
        known = set(self.ids.studies([*uids, *gone]).values())
        for endpoint_id in self.ids.endpoints(self.reader.pipelines).values():
            try:
                strange = [one for one in self.target.studies_at(endpoint_id or "") if one not in known]
            except Refused:
                report.notes.append("the FHIR server cannot search by endpoint: extra studies were not looked for")
                return
            report.findings += [
                Finding(study_instance_uid=f"ImagingStudy/{one}", differences=("extra study: no source holds it",))
                for one in strange
            ]

    def _endpoints(self, report: Report) -> None:
        references = [f"Endpoint/{fhir_id}" for fhir_id in self.ids.endpoints(self.endpoints).values()]
        held = self.target.fetch(references)
        for reference, endpoint, present in zip(references, self.endpoints.values(), held, strict=True):
            if present is None or present.resource.get("address") != endpoint()["address"]:
                finding = Finding(study_instance_uid=reference, differences=("missing or wrong Endpoint",))
                report.findings.append(finding)


def _subject(study: dict[str, Any]) -> str:
    reference: str = study["subject"]["reference"]
    return reference


def _has_identifier(held: Fetched | None, expected: dict[str, object]) -> bool:
    wanted = _identifiers(expected)
    return held is not None and wanted <= _identifiers(held.resource)


def _identifiers(resource: dict[str, object]) -> set[tuple[object, object]]:
    found = resource.get("identifier")
    return {(one.get("system"), one.get("value")) for one in found} if isinstance(found, list) else set()
