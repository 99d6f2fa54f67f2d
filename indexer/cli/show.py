"""``show``: one study as the source, the ledger and the FHIR server have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from indexer.bundle import bind
from indexer.cli.console import ERRORS, OUTPUT
from indexer.cli.omissions import sentence
from indexer.difference import differences
from indexer.errors import StudyError, StudyVanished, UsageError
from indexer.mapping import map_study
from indexer.model import Deferred, Quarantined
from indexer.plan import WritePlan
from indexer.schedule import epoch_text

if TYPE_CHECKING:
    from indexer.cli.compose import Site
    from indexer.mapping import Mapped
    from indexer.model import Settlement, StudyLocation
    from indexer.model.ledger import StudyRow


def show(site: Site, study_instance_uid: str, *, resource: bool) -> int:
    """Print the study, or the resources that would be sent; returns the exit code."""
    row = site.ledger.study(study_instance_uid)
    locations = row.locations if row and row.locations else _locations(site, study_instance_uid)
    if resource:
        return _resources(site, locations)
    mapped = _mapped(site, locations)
    _source(mapped)
    _ledger(row)
    return _target(site, study_instance_uid, mapped)


def _resources(site: Site, locations: tuple[StudyLocation, ...]) -> int:
    """Print the ImagingStudy and, if it is ours, the Patient as they would be sent, due or not."""
    (plan,) = site.preview.preview([locations], force=True)
    if not isinstance(plan, WritePlan):
        ERRORS.print(f"This study is not sent now: {_why(plan)}")
        return 1
    actions = sorted(
        (action for action in plan.actions.values() if not action.is_foreign), key=lambda action: action.key
    )
    bodies = [bind(action.body, fhir_id=action.fhir_id, references=plan.references) for action in actions]
    OUTPUT.print_document([orjson.loads(body) for body in bodies])
    return 0


def _why(settlement: Settlement) -> str:
    match settlement:
        case Quarantined(text=text, cause=cause, hint=hint):
            return f"{text} ({cause}) {hint}"
        case Deferred(cause=cause):
            return f"it waits ({cause})"
        case _:
            return "no source holds it"


def _locations(site: Site, uid: str) -> tuple[StudyLocation, ...]:
    locations = tuple(location for source in site.sources.values() for location in source.find(uid))
    if not locations:
        raise UsageError("no source holds this study, and the ledger does not know it")
    return locations


def _mapped(site: Site, locations: tuple[StudyLocation, ...]) -> Mapped | StudyError:
    try:
        study, source = site.reader.studies.read(locations)
        return map_study(study, source.rules)
    except StudyError as error:
        return error


def _source(mapped: Mapped | StudyError) -> None:
    if isinstance(mapped, StudyError):
        OUTPUT.print(f"Source: {mapped.message} ({mapped.cause}). {mapped.hint}")
        return
    study = mapped.imaging_study
    modalities = ", ".join(sorted({code for series in study.get("series", ()) for code in _codes(series["modality"])}))
    OUTPUT.print(f"Source: {_counts(study, f' ({modalities})')}")
    for issue in mapped.issues:
        OUTPUT.print(f"  {sentence(issue)}")


def _codes(modality: dict[str, Any]) -> list[str]:
    """Codes of a Coding (R4, R4B) or of a CodeableConcept (R5, R6)."""
    return [coding["code"] for coding in modality.get("coding", [modality])]


def _counts(study: dict[str, Any], of_series: str = "") -> str:
    """The counts that a study states; R6 states none for a list that is not complete."""
    return f"{study.get('numberOfSeries', '?')} series{of_series}, {study.get('numberOfInstances', '?')} instances"


def _ledger(row: StudyRow | None) -> None:
    if row is None:
        OUTPUT.print("Ledger: unknown")
        return
    for location in row.locations:
        OUTPUT.print(f"Ledger: in {location.source}")
    if row.published:
        at = epoch_text(row.published.published_at)
        OUTPUT.print(f"Ledger: ImagingStudy/{row.published.fhir_id} confirmed at {at}")
    if row.published and row.published.patient_mismatch:
        OUTPUT.print("Ledger: the Patient has another birth date, and another family name or sex (patient_mismatch)")
    if row.dirty:
        OUTPUT.print(
            f"Ledger: dirty since {epoch_text(row.dirty.first_event_at)} ({row.dirty.reason}), due at "
            f"{epoch_text(row.dirty.due_at)}, {row.dirty.attempts} failed tries, last cause "
            f"{row.dirty.last_cause or '-'}"
        )
    if row.quarantine:
        OUTPUT.print(f"Ledger: in quarantine, {row.quarantine.cause}: {row.quarantine.text}")
        OUTPUT.print(f"  {row.quarantine.hint}")


def _target(site: Site, uid: str, mapped: Mapped | StudyError) -> int:
    studies = [hit.resource for hit in site.target.find_studies([uid]).get(uid, ())]
    for study in studies:
        version = study.get("meta", {}).get("versionId", "?")
        OUTPUT.print(f"FHIR: ImagingStudy/{study['id']} version {version}, {_counts(study)}")
    if not studies:
        OUTPUT.print("FHIR: no ImagingStudy has this UID")
    if isinstance(mapped, StudyError):
        return 0 if isinstance(mapped, StudyVanished) and not studies else 1
    texts = differences(site.ids.literal({uid: mapped})[uid], studies)
    for text in texts:
        OUTPUT.print(f"Different: {text}")
    return 1 if texts else 0
