"""Datasets of single instances, by ``tools/find`` and over DICOMweb, on the fake and on the real Orthancs."""

from dataclasses import replace
from typing import Any

import pytest
from pydicom.dataset import Dataset

from indexer import mapping
from indexer.dicomweb import DicomWebSamples
from indexer.errors import StudyInvalid, StudyUnreadable, Unavailable
from indexer.mapping import Element
from indexer.model import Attributes, Series, Study
from indexer.model.attributes import tag_of
from indexer.orthanc.samples import FindSamples
from tests.contract.source_cases import RULES, Case, Counting, on_modern, on_real
from tests.fakes.attributes import vr_of
from tests.samples import by_turns, generate

ROOTS = ("/dicom-web/", "/pacs/dw-2/")


def read(case: Case, datasets: list[Dataset]) -> Study:
    case.store(datasets)
    return case.source.read(case.locations()[0])


@pytest.fixture(params=["tools/find", "DICOMweb"])
def samples(request: pytest.FixtureRequest, case: Case) -> FindSamples | DicomWebSamples:
    """Both ways; an Orthanc 1.10 has but one, whatever is asked."""
    return case.samples if request.param == "tools/find" else case.dicomweb_samples


def test_one_dataset_speaks_for_a_series_of_images(case: Case, samples: FindSamples | DicomWebSamples) -> None:
    datasets = generate(series=2, instances=3, issuers=["Hospital A"], Laterality="L")
    numbers = {"1": "10", "2": "9", "3": "2"}
    for one in datasets:
        one.InstanceNumber = numbers[str(one.InstanceNumber)]
    study = read(case, by_turns(datasets))

    series = samples.sample(study)

    chosen = [one.SOPInstanceUID for one in datasets if one.InstanceNumber == 2]
    assert sorted(uid for one in series for uid in one.sampled) == sorted(chosen)
    for one in series:
        (dataset,) = one.sampled.values()
        assert dataset.text("IssuerOfPatientID") == "Hospital A"
        assert dataset.text("Laterality") == "L"


def test_each_object_that_is_no_image_speaks_for_itself_up_to_the_cap(
    case: Case, samples: FindSamples | DicomWebSamples
) -> None:
    datasets = generate(series=3, instances=5, modality=["SR", "CT", "KO"])
    for one in datasets:
        one.ContentLabel = f"LABEL{one.InstanceNumber}"
    study = read(case, datasets)

    series = samples.sample(study)

    said = {one.attributes.text("Modality"): sorted(map(label, one.sampled.values())) for one in series}
    assert said == {"SR": ["LABEL1", "LABEL2", "LABEL3"], "CT": ["LABEL1"], "KO": ["LABEL1", "LABEL2", "LABEL3"]}


def label(dataset: Attributes) -> str:
    return dataset.text("ContentLabel") or ""


def test_values_of_every_kind_are_the_same_both_ways(case: Case) -> None:
    item = code("P1-1", "Größe\\Größe")
    (dataset,) = generate(
        PatientName="Müller^Jörg=山田^太郎=やまだ^たろう",
        ProcedureCodeSequence=[item, code("P1-2", "second")],
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        RequestAttributesSequence=[request_of(code("R1", "reason"))],
        StudyComments="a long comment " * 600,
        ContentTime="101112.5",
        DeviceSerialNumber="",
    )
    dataset.SpecificCharacterSet = "ISO_IR 192"
    study = read(case, [dataset])
    asked = replace(RULES, elements=frozenset(Element))

    (found,) = case.source.samples(mapping.sampled_keywords(asked), case.dicomweb_samples, 3).sample(study)
    (over_dicomweb,) = case.dicomweb_samples.sample(study)

    (one,), (other,) = found.sampled.values(), over_dicomweb.sampled.values()
    for keyword in mapping.sampled_keywords(asked):
        assert said(one, keyword) == said(other, keyword), keyword
    assert {keyword for keyword in mapping.sampled_keywords(asked) if one.values(keyword)} >= {
        "ProcedureCodeSequence",
        "StudyComments",
    }


def said(dataset: Attributes, keyword: str) -> object:
    """What the mapping reads of an attribute, however the way that it came writes it."""
    match vr_of(keyword):
        case "SQ":
            return [plain(item) for item in dataset.items(keyword)]
        case "PN":
            return dataset.person_names(keyword)
        case _:
            return dataset.texts(keyword)


def code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "99TEST", meaning
    return item


def request_of(reason: Dataset) -> Dataset:
    item = Dataset()
    item.AccessionNumber, item.ReasonForRequestedProcedureCodeSequence = "A-2", [reason]
    return item


def plain(item: Attributes) -> dict[str, object]:
    """Values of an item by tag, however the way that it came writes their representation."""
    return {
        tag: [plain(Attributes(value)) if isinstance(value, dict) else value for value in element["Value"]]
        for tag, element in item.json.items()
        if element.get("Value")
    }


def test_what_is_bulky_or_private_is_left_behind(case: Case) -> None:
    (dataset,) = generate(ImageComments="x" * 9000, RedPaletteColorLookupTableData=b"\0" * 1000)
    dataset.private_block(0x0009, "SAMPLE", create=True).add_new(0x01, "LO", "private")
    dataset.PixelData = b"\0" * 4
    study = read(case, [dataset])

    (series,) = case.dicomweb_samples.sample(study)

    (sample,) = series.sampled.values()
    assert sample.json.keys().isdisjoint(map(tag_of, ("PixelData", "RedPaletteColorLookupTableData")))
    assert [tag for tag in sample.json if int(tag[:4], 16) % 2] == []
    assert sample.text("ImageComments") == "x" * 9000


# --- many at one go -------------------------------------------------------------------------------------------------

COUNT = 130


@on_modern
def test_a_hundred_instances_cost_one_request(case: Case) -> None:
    studies = stored(case, COUNT)
    case.transport.paths.clear()

    each = case.samples.sample_batch(studies)

    assert [list(map(issuers, series or ())) for series in each] == [[{issuer(study)}] for study in studies]
    assert case.transport.paths == ["/system", "/tools/find", "/tools/find"]
    assert case.dicomweb.paths == []


@on_modern
@pytest.mark.parametrize("settings", [{"LimitFindInstances": 2}, {"LimitFindResults": 2}], ids=str)
def test_what_a_limit_cuts_is_asked_for_alone(case: Case) -> None:
    studies = stored(case, 5)

    each = case.samples.sample_batch(studies)

    assert [list(map(issuers, series or ())) for series in each] == [[{issuer(study)}] for study in studies]
    assert case.dicomweb.paths == []


@on_modern
@pytest.mark.parametrize("settings", [{"StorageAccessOnFind": "Never"}, {"OverwriteInstances": True}], ids=str)
def test_an_orthanc_that_answers_from_rows_alone_is_asked_over_dicomweb(case: Case) -> None:
    studies = stored(case, 3)
    samples = case.samples

    assert samples.sample_batch(studies) == (None, None, None)
    asked = len(case.transport.paths)
    assert [list(map(issuers, samples.sample(study))) for study in studies] == [[{issuer(one)}] for one in studies]

    assert len(case.dicomweb.paths) == 3
    assert len(case.transport.paths) == asked, "once found out, it is not tried for each study"


@pytest.mark.parametrize("case", ["real 1.12"], indirect=True)
@pytest.mark.parametrize("settings", [{"ExtraMainDicomTags": {"Study": ["IssuerOfPatientID"]}}], ids=str)
def test_an_issuer_in_a_row_is_no_statement_of_the_instance(case: Case) -> None:
    """A row of the study holds the issuer of its first instance, and Orthanc answers it for each series."""
    datasets = generate(series=2, issuers=["Hospital A"])
    datasets[1].IssuerOfPatientID = "Hospital B"
    study = read(case, datasets)

    assert case.samples.sample_batch([study]) == (None,)
    assert set.union(*map(issuers, case.samples.sample(study))) == {"Hospital A", "Hospital B"}


@on_modern
def test_each_series_has_its_own_offset_of_times(case: Case) -> None:
    datasets = generate(series=2, TimezoneOffsetFromUTC="+0100")
    datasets[1].TimezoneOffsetFromUTC = "-0500"
    study = read(case, datasets)

    series = case.samples.sample(study)

    said = {dataset.text("TimezoneOffsetFromUTC") for one in series for dataset in one.sampled.values()}
    assert said == {"+0100", "-0500"}


def stored(case: Case, count: int) -> list[Study]:
    """Studies of one instance and one issuer each."""
    for number in range(count):
        case.store(generate(seed=f"s{number}", issuers=[f"Hospital {number}"], StudyDescription=f"Hospital {number}"))
    return [case.source.read(location) for location in case.locations()]


def issuer(study: Study) -> str:
    """The issuer that `stored` gave to a study, by its number."""
    return str(study.attributes.text("StudyDescription"))


def issuers(series: Series) -> set[str]:
    return {dataset.text("IssuerOfPatientID") or "" for dataset in series.sampled.values()}


# --- one study ------------------------------------------------------------------------------------------------------


def test_a_study_that_the_server_does_not_know_waits(case: Case) -> None:
    study = read(case, generate())

    with pytest.raises(StudyUnreadable) as raised:
        case.samples.sample(replace(study, study_instance_uid="1.2.3"))

    assert raised.value.cause == "unreadable"


def test_a_study_under_two_patients_waits(case: Case) -> None:
    study = read(case, generate(PatientID="A"))
    case.store(generate(PatientID="B"))

    with pytest.raises(StudyUnreadable):
        case.samples.sample(study)


def test_no_dicomweb_at_this_address(case: Case) -> None:
    study = read(case, generate())
    nowhere = Counting(case.orthanc.url + "/nowhere", peer="dicomweb main")

    with pytest.raises(Unavailable) as raised:
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


@on_real
@pytest.mark.parametrize("settings", [{"OverwriteInstances": True}], ids=str)
def test_an_instance_that_was_replaced_under_its_id_is_read_as_it_is_now(case: Case) -> None:
    """The plugin of 1.12 still answers the metadata of the series from before; no issuer may be read from there."""
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


@on_real
@pytest.mark.parametrize(
    "settings", [{"DicomWeb": {"Enable": True, "Root": root, "EnableWado": False}} for root in ROOTS], ids=ROOTS
)
def test_the_root_is_found(settings: dict[str, Any], case: Case) -> None:
    case.store(generate(Laterality="L"))
    source = case.source
    (location,) = source.list_locations()
    case.transport.paths.clear()

    samples = DicomWebSamples(case.transport, root=lambda: source.dicomweb_root)
    (series,) = samples.sample(source.read(location))

    (dataset,) = series.sampled.values()
    assert dataset.text("Laterality") == "L"
    assert source.dicomweb_root == settings["DicomWeb"]["Root"].rstrip("/")
    assert case.transport.paths.count("/plugins/dicom-web") == 1


@on_real
@pytest.mark.parametrize("settings", [{"Plugins": []}], ids=str)
def test_the_root_without_the_plugin_is_the_usual_one(case: Case) -> None:
    assert case.source.dicomweb_root == "/dicom-web"


# --- several creators -----------------------------------------------------------------------------------------------


def disagreeing(series_uid: str | None = None) -> list[Dataset]:
    """A CT, and a key object of another maker that states other things of the same study."""
    images = generate(
        instances=2,
        AccessionNumber="A1",
        StudyDescription="Thorax",
        StudyDate="20240101",
        Manufacturer="Scanner",
        SeriesDate="20240101",
    )
    (key_object,) = generate(
        AccessionNumber="A2",
        StudyDescription="Key images",
        StudyDate="20240102",
        Manufacturer="Workstation",
        SeriesDate="20240102",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.59",
        Modality="KO",
        seed="ko",
    )
    key_object.PatientID, key_object.StudyInstanceUID = images[0].PatientID, images[0].StudyInstanceUID
    key_object.SeriesInstanceUID = series_uid or key_object.SeriesInstanceUID
    return [*images, key_object]


@pytest.mark.parametrize("way", ["tools/find", "dicomweb", "files"])
@pytest.mark.parametrize("is_one_series", [False, True])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_each_sample_says_what_its_own_file_says(case: Case, way: str, is_one_series: bool, is_reversed: bool) -> None:
    """Whatever came first names the study, and its series, in the database of Orthanc."""
    datasets = disagreeing()
    if is_one_series:
        datasets = disagreeing(str(datasets[0].SeriesInstanceUID))
    study = read(case, datasets[::-1] if is_reversed else datasets)
    samples = case.samples_by(way)

    sampled = {uid: dataset for series in samples.sample(study) for uid, dataset in series.sampled.items()}

    keywords = ["AccessionNumber", "StudyDescription", "StudyDate", "Modality"]
    stated = {tuple(dataset.text(keyword) for keyword in keywords) for dataset in sampled.values()}
    assert stated == {("A1", "Thorax", "20240101", "CT"), ("A2", "Key images", "20240102", "KO")}


@pytest.mark.parametrize("way", ["dicomweb", "files"])
def test_series_of_one_device_that_disagree(case: Case, way: str) -> None:
    """``tools/find`` cannot tell: nothing but the rows of the database differs."""
    datasets = generate(series=2)
    datasets[1].AccessionNumber, datasets[1].StudyDescription = "A2", "Second"
    study = read(case, datasets)

    series = case.samples_by(way).sample(study)

    numbers = {dataset.text("AccessionNumber") for one in series for dataset in one.sampled.values()}
    assert numbers == {datasets[0].AccessionNumber or None, "A2"}
