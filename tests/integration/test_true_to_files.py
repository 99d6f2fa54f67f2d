"""What is published is what the files state, whatever came first and however Orthanc decodes it."""

from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.integration.others import published
from tests.samples import generate, store_rest
from tests.samples.raw import raw_file, store_raw, study_instance_uid
from tests.site import Site, uids

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"


def images_and_key_object(seed: str) -> list[Dataset]:
    """A CT, and a key object that was made elsewhere on the next day and states other things of the same study."""
    images = generate(
        instances=2,
        seed=seed,
        AccessionNumber=f"{seed}-A1",
        StudyDescription="Thorax",
        StudyDate="20240101",
        SeriesDate="20240101",
        Manufacturer="Scanner",
    )
    (key_object,) = generate(
        seed=f"{seed}-ko",
        modality="KO",
        AccessionNumber=f"{seed}-A2",
        StudyDescription="Key images",
        StudyDate="20240102",
        SeriesDate="20240102",
        Manufacturer="Workstation",
        SOPClassUID=KEY_OBJECT_SELECTION,
    )
    key_object.PatientID, key_object.StudyInstanceUID = images[0].PatientID, images[0].StudyInstanceUID
    return [*images, key_object]


@pytest.mark.parametrize("is_reversed", [False, True])
def test_no_order_of_arrival_decides(each_site: Site, is_reversed: bool) -> None:
    seed = f"O{each_site.orthanc.label}-{is_reversed:d}"
    datasets = images_and_key_object(seed)

    store_rest(each_site.orthanc, datasets[::-1] if is_reversed else datasets, parallel=1)
    each_site.cli("backfill")
    study = published(each_site, datasets[0])

    assert (study["started"][:10], study["description"]) == ("2024-01-01", "Thorax")
    for number in (f"{seed}-A1", f"{seed}-A2"):
        (hit,) = each_site.search("ImagingStudy", identifier=number)
        assert hit["id"] == study["id"]
    shown = each_site.cli("show", uids(datasets)[0]).stdout
    assert "AccessionNumber" in shown
    assert each_site.verify()["equal"]


def test_names_and_numbers_beyond_ascii(each_site: Site) -> None:
    label = each_site.orthanc.version
    files = {
        "unknown": {"SpecificCharacterSet": b"ISO_IR 999", "PatientID": b"\xc4161" + label.encode()},
        "plain": {"SpecificCharacterSet": b"ISO_IR 100", "PatientID": b"161" + label.encode()},
        "misspelt": {
            "SpecificCharacterSet": b"ISO-IR 100",
            "PatientID": b"\xc4161" + label.encode(),
            "PatientName": b"M\xfcller^Uwe",
        },
    }
    for seed, values in files.items():
        store_raw(each_site.orthanc, raw_file(f"{seed}-{label}", values))

    each_site.cli("backfill", expect=1)

    assert "patient_id_charset" in each_site.cli("quarantine", "list").stdout
    patients = {seed: patient(each_site, f"{seed}-{label}") for seed in files}
    assert patients["unknown"] is None
    assert patients["plain"]["identifier"][0]["value"] == f"161{label}"
    assert patients["misspelt"]["identifier"][0]["value"] == f"Ä161{label}"
    assert patients["misspelt"]["name"][0]["family"] == "Müller"


def test_who_reads_all_files_sees_bytes_that_orthanc_drops(site: Site) -> None:
    values = {"SpecificCharacterSet": b"ISO_IR 192", "PatientID": b"FILES-1\xff"}
    store_raw(site.orthanc, raw_file("invalid", values))
    site.source["read_files"] = "all"

    site.cli("backfill", expect=1)

    assert "patient_id_charset" in site.cli("quarantine", "list").stdout


def patient(site: Site, seed: str) -> Any:
    study = site.study(study_instance_uid(seed))
    return site.fetch(study["subject"]["reference"]) if study else None
