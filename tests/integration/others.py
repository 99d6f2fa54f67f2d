"""What the users of an archive and the other programs on a FHIR server do, and what the server holds then."""

from collections.abc import Callable, Sequence
from typing import Any

import requests
from pydicom.dataset import Dataset

from tests.samples import store_anew, store_rest
from tests.site import Site, uids

Json = dict[str, Any]
NOTE = {"text": "Theirs"}


def index(site: Site, datasets: Sequence[Dataset]) -> Json:
    """Put studies into the archive and onto the server; the first of them as the server holds it."""
    store_rest(site.orthanc, datasets)
    site.cli("backfill")
    return published(site, datasets[0])


def correct(site: Site, datasets: Sequence[Dataset], expect: int = 0, **attributes: Any) -> Json:
    """Correct studies in the archive and publish them; the first of them as the server holds it then."""
    correct_archive(site, datasets, **attributes)
    site.cli("backfill", expect=expect)
    return published(site, datasets[0])


def correct_archive(site: Site, datasets: Sequence[Dataset], **attributes: Any) -> None:
    """Put studies with other attributes in the place of those of the same UIDs."""
    for dataset in datasets:
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
    store_anew(site.orthanc, datasets)


def amend(site: Site, reference: str, change: Callable[[Json], object]) -> Json:
    """Read a resource, change it and write it back, as a careful program would; the resource as it was written."""
    resource = site.fetch(reference)
    change(resource)
    answer = requests.put(
        f"{site.fhir}/{reference}",
        json=resource,
        headers={"If-Match": f'W/"{resource["meta"]["versionId"]}"'},
        timeout=60,
    )
    answer.raise_for_status()
    return resource


def annotate(site: Site, study: Json) -> None:
    """Add `NOTE` to a study, as somebody else would."""
    amend(site, reference_of(study), lambda theirs: theirs.update(note=[NOTE]))


def version(site: Site, reference: str) -> str:
    """Version of a resource on the server."""
    return str(site.fetch(reference)["meta"]["versionId"])


def published(site: Site, dataset: Dataset) -> Json:
    """The ImagingStudy of a dataset's study, which has to be there."""
    study = site.study(str(dataset.StudyInstanceUID))
    assert study is not None, "the study is not there"
    return study


def all_published(site: Site, datasets: Sequence[Dataset]) -> list[Json]:
    """The ImagingStudies of all datasets, in order."""
    studies = [site.study(uid) for uid in uids(datasets)]
    assert None not in studies, "a study is not there"
    return [study for study in studies if study is not None]


def reference_of(resource: Json) -> str:
    """Reference to a resource."""
    return f"{resource['resourceType']}/{resource['id']}"


def patient_of(site: Site, study: Json) -> Json:
    """The Patient that a study refers to."""
    return site.fetch(study["subject"]["reference"])


def accessions(study: Json) -> list[str]:
    """Accession numbers of a study."""
    return [identifier["value"] for identifier in study["identifier"] if identifier.get("use") == "usual"]


def families(patient: Json) -> list[str]:
    """Family names of a Patient."""
    return [name["family"] for name in patient["name"]]
