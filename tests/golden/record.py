"""Record the golden cases: ``python -m tests.golden.record`` reads each through a real Orthanc and writes it down.

Look at the difference before it is committed: it is what a change of the mapping does to real studies.
"""

import functools
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pydicom
import requests

from indexer import mapping
from indexer.dicomweb import DicomWebSamples
from indexer.errors import StudyError
from indexer.mapping import Element, Release, Rules
from indexer.model import Attributes, Instance, Series, Study, StudyLocation
from indexer.model.attributes import tag_of
from indexer.orthanc import OrthancSource
from indexer.sync.protocols import AttributeSource
from indexer.transport import Transport
from tests.golden import cases
from tests.resources import as_put
from tests.samples import public_files
from tests.servers.orthanc import Orthanc, orthanc_versions

FOLDER: Final = Path(__file__).parents[1] / "data" / "golden"
RELEASES: Final = {"R4": (Release.R4, Release.R4B), "R5": (Release.R5,), "R6": (Release.R6,)}
"""R4 and R4B are written alike, so one record serves both."""
_SOURCES: Final = Path(mapping.__file__).parent
_SAMPLES_CAP: Final = 20


def rules(release: Release) -> Rules:
    """The rules of all golden cases: every element, a zone, one known issuer."""
    return Rules(
        site_key=b"golden",
        patient_id_system="urn:oid:2.16.840.1.113883.2.99.1",
        release=release,
        timezone=ZoneInfo("Europe/Berlin"),
        accession_systems={"RIS": "urn:oid:2.16.840.1.113883.2.99.2"},
        elements=frozenset(Element),
    )


def result(study: Study, release: Release) -> dict[str, Any]:
    """What the mapping makes of a study: both resources and the issues, or the cause why there are none."""
    try:
        found = as_put(mapping.map_study(study, rules(release)))
    except StudyError as error:
        return {"error": error.cause}
    issues = [f"{issue.keyword}: {issue.cause} × {issue.count}" for issue in found.issues]
    return {"ImagingStudy": found.imaging_study, "Patient": found.patient, "issues": issues}


def read(orthanc: Orthanc, *, only_dicomweb: bool = False) -> Iterator[tuple[str, Study]]:
    """Every study of an Orthanc with its Orthanc id, as the program reads it, or as it does where DICOMweb is all."""
    source = OrthancSource(Transport(orthanc.url, peer="orthanc", timeout_s=60), "main")
    keywords = mapping.sampled_keywords(rules(Release.R5))
    dicomweb = Transport(orthanc.dicomweb_url, peer="dicomweb", timeout_s=60)
    over_dicomweb = DicomWebSamples(dicomweb, cap=_SAMPLES_CAP, files=source.file_heads(keywords))
    by_find = source.samples(keywords, over_dicomweb, _SAMPLES_CAP)
    samples = over_dicomweb if only_dicomweb else by_find
    for location in source.list_locations():
        yield location.location_id, _sampled(source, samples, location)


def _sampled(source: OrthancSource, samples: AttributeSource, location: StudyLocation) -> Study:
    study = source.read(location)
    try:
        return replace(study, series=samples.sample(study), is_sampled=True)
    except StudyError:
        return study


def store(orthanc: Orthanc, files: list[bytes]) -> set[str]:
    """Store files over Orthanc's own API; the Orthanc ids of their studies, without those that it refuses."""
    found = set()
    with requests.Session() as session:
        session.trust_env = False
        for content in files:
            answer = session.post(f"{orthanc.url}/instances", data=content, timeout=60)
            taken = answer.json() if answer.status_code == requests.codes.ok else None
            found |= {taken["ParentStudy"]} if isinstance(taken, dict) else set()
    return found


def all_cases() -> cases.Files:
    """Files by case: the public ones by study, then the synthetic and the malformed ones."""
    public: cases.Files = {}
    for path in public_files():
        uid = _study_of(path)
        if uid:
            public.setdefault(uid, []).append(path)
    named = {f"public-{_slug(paths[0].stem)}": [path.read_bytes() for path in paths] for paths in public.values()}
    bad = {f"bad-{name}": files for name, files in cases.malformed().items()}
    return named | cases.sound() | bad


def _study_of(path: Path) -> str | None:
    try:
        with warnings.catch_warnings(action="ignore"):  # some files are odd on purpose
            found = pydicom.dcmread(path, specific_tags=["StudyInstanceUID"], stop_before_pixels=True)
            return str(found.StudyInstanceUID)
    except (pydicom.errors.InvalidDicomError, AttributeError, NotImplementedError, ValueError, OSError):
        return None


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def frozen(study: Study) -> dict[str, Any]:
    """A study as JSON, its datasets with the attributes that the mapping reads."""
    return {
        "study_instance_uid": study.study_instance_uid,
        "is_sampled": study.is_sampled,
        "attributes": study.attributes.json,
        "series": [
            {
                "series_instance_uid": one.series_instance_uid,
                "attributes": one.attributes.json,
                "instances": [
                    [i.sop_instance_uid, i.sop_class_uid, i.instance_number, i.number_of_frames] for i in one.instances
                ],
                "sampled": {uid: _read_alone(dataset) for uid, dataset in one.sampled.items()},
            }
            for one in study.series
        ],
    }


def thawed(content: dict[str, Any]) -> Study:
    """A study from its JSON."""
    return Study(
        study_instance_uid=content["study_instance_uid"],
        source="main",
        attributes=Attributes(content["attributes"]),
        series=tuple(
            Series(
                series_instance_uid=one["series_instance_uid"],
                attributes=Attributes(one["attributes"]),
                instances=tuple(Instance(*values) for values in one["instances"]),
                sampled={uid: Attributes(dataset) for uid, dataset in one["sampled"].items()},
            )
            for one in content["series"]
        ),
        is_sampled=content["is_sampled"],
    )


def _read_alone(dataset: Attributes) -> dict[str, Any]:
    read = {tag_of(keyword) for keyword in read_keywords()}
    return {tag: element for tag, element in dataset.json.items() if tag in read}


@functools.cache
def read_keywords() -> frozenset[str]:
    """Keywords that stand in the mapping's code."""
    words = {word for path in _SOURCES.glob("*.py") for word in re.findall(r'"([A-Z]\w+)"', path.read_text("utf-8"))}
    return frozenset(word for word in words if pydicom.datadict.tag_for_keyword(word))


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.json"):
        old.unlink()
    with Orthanc(orthanc_versions()[-1]) as orthanc:
        names = {study: name for name, files in all_cases().items() for study in store(orthanc, files)}
        for location_id, study in read(orthanc):
            content = {"study": frozen(study)} | {name: result(study, of[0]) for name, of in RELEASES.items()}
            path = FOLDER / f"{names[location_id]}.json"
            path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
