"""Single datasets over DICOMweb, on the fake and on the plugin of the real Orthancs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from indexer.dicomweb import DicomWebSamples
from indexer.errors import Refused, StudyInvalid, StudyNotReady
from indexer.orthanc import OrthancSource
from tests.contract.source_cases import Case, Counting, running
from tests.samples import by_turns, generate, store_rest
from tests.servers.orthanc import Orthanc, orthanc_versions

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from indexer.model import Study


def read(case: Case, datasets: list[Dataset]) -> Study:
    case.store(datasets)
    return case.source.read(case.locations()[0])


def test_one_dataset_speaks_for_a_series_of_images(case: Case) -> None:
    datasets = generate(series=2, instances=3, issuers=["Hospital A"], Laterality="L")
    numbers = {"1": "10", "2": "9", "3": "2"}
    for one in datasets:
        one.InstanceNumber = numbers[str(one.InstanceNumber)]
    study = read(case, by_turns(datasets))
    case.dicomweb.paths.clear()

    series = case.samples.sample(study)

    assert len(case.dicomweb.paths) == 2
    chosen = [one.SOPInstanceUID for one in datasets if one.InstanceNumber == 2]
    assert sorted(uid for one in series for uid in one.sampled) == sorted(chosen)
    for one in series:
        (dataset,) = one.sampled.values()
        assert dataset.text("IssuerOfPatientID") == "Hospital A"
        assert dataset.text("Laterality") == "L"
        assert dataset.text("SeriesInstanceUID") == one.series_instance_uid


def test_each_object_that_is_no_image_speaks_for_itself_up_to_the_cap(case: Case) -> None:
    study = read(case, generate(series=3, instances=5, modality=["SR", "CT", "KO"]))

    series = case.samples.sample(study)

    counts = {one.attributes.text("Modality"): sorted(map(number, one.sampled.values())) for one in series}
    assert counts == {"SR": [1, 2, 3], "CT": [1], "KO": [1, 2, 3]}


def number(attributes: object) -> int:
    return int(attributes.text("InstanceNumber"))  # type: ignore[attr-defined]


def test_what_is_bulky_or_private_is_left_behind(case: Case) -> None:
    (dataset,) = generate(ImageComments="x" * 9000, RedPaletteColorLookupTableData=b"\0" * 1000)
    dataset.private_block(0x0009, "SAMPLE", create=True).add_new(0x01, "LO", "private")
    dataset.PixelData = b"\0" * 4
    study = read(case, [dataset])

    (series,) = case.samples.sample(study)

    (sample,) = series.sampled.values()
    assert "PixelData" not in sample
    assert "RedPaletteColorLookupTableData" not in sample
    assert [tag for tag in sample.json if int(tag[:4], 16) % 2] == []
    assert sample.text("ImageComments") == "x" * 9000


def test_a_study_that_the_server_does_not_know_waits(case: Case) -> None:
    study = read(case, generate())

    with pytest.raises(StudyNotReady) as raised:
        case.samples.sample(replace(study, study_instance_uid="1.2.3"))

    assert raised.value.cause == "dicomweb_unreadable"


def test_a_study_under_two_patients_waits(case: Case) -> None:
    study = read(case, generate(PatientID="A"))
    case.store(generate(PatientID="B"))

    with pytest.raises(StudyNotReady):
        case.samples.sample(study)


def test_no_dicomweb_at_this_address(case: Case) -> None:
    study = read(case, generate())
    nowhere = Counting(case.orthanc.url + "/nowhere", peer="dicomweb main")

    with pytest.raises(Refused) as raised:
        DicomWebSamples(nowhere).sample(study)

    nowhere.close()
    assert "plugin" in raised.value.hint
    assert "issuer: ignore" in raised.value.hint


def test_a_study_uid_that_is_none_does_not_get_into_a_path(case: Case) -> None:
    study = read(case, generate())
    case.dicomweb.paths.clear()

    with pytest.raises(StudyInvalid) as raised:
        case.samples.sample(replace(study, study_instance_uid="1.2/../.."))

    assert raised.value.cause == "bad_study_uid"
    assert case.dicomweb.paths == []


def test_instances_with_a_uid_that_is_none_are_passed_over(case: Case) -> None:
    study = read(case, generate(instances=2))
    (series,) = study.series
    broken = [replace(one, sop_instance_uid="../x", instance_number="0") for one in series.instances[:1]]
    fit = replace(study, series=(replace(series, instances=(*broken, *series.instances)),))

    assert len(case.samples.sample(fit)[0].sampled) == 1


def test_a_study_without_an_instance_that_can_be_named_is_unfit(case: Case) -> None:
    study = read(case, generate(instances=2))
    (series,) = study.series
    broken = [replace(one, sop_instance_uid="../x") for one in series.instances]
    unfit = replace(study, series=(replace(series, instances=tuple(broken)), replace(series, series_instance_uid="x")))
    case.dicomweb.paths.clear()

    with pytest.raises(StudyInvalid) as raised:
        case.samples.sample(unfit)

    assert raised.value.cause == "bad_uid"
    assert case.dicomweb.paths == []


def test_an_instance_that_was_replaced_under_its_id_is_read_as_it_is_now() -> None:
    """The plugin of 1.12 still answers the metadata of the series from before; no issuer may be read from there."""
    for version in orthanc_versions():
        with running(f"real {version}", overwrite_instances=True) as case:
            datasets = generate(instances=2, issuers=["Wrong"])
            case.store(datasets)
            (series,) = case.source.read(case.locations()[0]).series
            path = f"/studies/{datasets[0].StudyInstanceUID}/series/{series.series_instance_uid}/metadata"
            case.dicomweb.request("GET", path, headers={"Accept": "application/dicom+json"})
            datasets[0].IssuerOfPatientID = "Right"
            case.store(datasets[:1])

            (sampled,) = case.samples.sample(case.source.read(case.locations()[0]))

            (dataset,) = sampled.sampled.values()
            assert dataset.text("IssuerOfPatientID") == "Right"


@pytest.mark.parametrize("version", orthanc_versions())
@pytest.mark.parametrize("root", ["/dicom-web/", "/pacs/dw-2/"])
def test_the_root_is_found(root: str, version: str) -> None:
    settings = {"Enable": True, "Root": root, "EnableWado": False}
    with Orthanc(version, extra={"DicomWeb": settings}) as orthanc:
        store_rest(orthanc, generate(Laterality="L"))
        transport = Counting(orthanc.url, peer="orthanc main")
        source = OrthancSource(transport, "main")
        (location,) = source.list_locations()

        samples = DicomWebSamples(transport, root=lambda: source.dicomweb_root)
        (series,) = samples.sample(source.read(location))

        (dataset,) = series.sampled.values()
        assert dataset.text("Laterality") == "L"
        assert source.dicomweb_root == root.rstrip("/")
        assert transport.paths.count("/plugins/dicom-web") == 1
        transport.close()


@pytest.mark.parametrize("version", orthanc_versions())
def test_the_root_without_the_plugin_is_the_usual_one(version: str) -> None:
    with Orthanc(version, extra={"Plugins": []}) as orthanc:
        transport = Counting(orthanc.url, peer="orthanc main")

        assert OrthancSource(transport, "main").dicomweb_root == "/dicom-web"
        transport.close()
