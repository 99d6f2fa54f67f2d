"""Datasets from the heads of files."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from indexer.model.attributes import tag_of
from indexer.orthanc.file_head import parse
from tests.samples import generate, public_files, to_bytes
from tests.samples.raw import raw_file

KEYWORDS = ("SOPInstanceUID", "SpecificCharacterSet", "PatientID", "PatientName", "StudyDescription", "Exposure")
TAGS = [tag_of(keyword) for keyword in (*KEYWORDS, "RequestAttributesSequence", "ImageComments", "Rows")]
WHOLE = raw_file("whole", {"PatientID": b"161", "PatientName": b"Doe^Jane", "SpecificCharacterSet": b"ISO_IR 100"})


@given(st.binary(max_size=300))
def test_bytes_that_are_no_file(head: bytes) -> None:
    assert parse(head, TAGS) is None


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=6))
@example(278, b"\x00")
def test_a_broken_file_raises_nothing(place: int, noise: bytes) -> None:
    dataset = parse(WHOLE[:place] + noise + WHOLE[place + len(noise) :], TAGS)

    assert dataset is None or dataset.json.keys() <= set(TAGS)


@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_was_cut_raises_nothing(length: int) -> None:
    dataset = parse(WHOLE[:length], TAGS)

    assert dataset is None or dataset.json.keys() <= set(TAGS)


def test_a_value_that_does_not_fit_its_vr_spoils_nothing() -> None:
    dataset = parse(raw_file("decimal", {"Exposure": b"0.5", "PatientID": b"161"}), TAGS)

    assert dataset is not None
    assert (dataset.text("Exposure"), dataset.text("PatientID")) == ("0.5", "161")


def test_items_have_the_character_set_of_their_dataset() -> None:
    item = Dataset()
    item.ScheduledProcedureStepDescription = "Thorax\N{LATIN SMALL LETTER U WITH DIAERESIS}"
    own = Dataset()
    own.SpecificCharacterSet = "ISO_IR 144"
    own.ScheduledProcedureStepDescription = "Иван"
    (dataset,) = generate(SpecificCharacterSet="ISO_IR 100", RequestAttributesSequence=Sequence([item, own]))

    head = parse(to_bytes(dataset), TAGS)

    assert head is not None
    texts = [item.text("ScheduledProcedureStepDescription") for item in head.items("RequestAttributesSequence")]
    assert texts == ["Thoraxü", "Иван"]


def test_what_cannot_be_decoded_is_marked() -> None:
    head = parse(
        raw_file("x", {"SpecificCharacterSet": b"ISO_IR 999", "PatientName": b"M\xfcller", "PatientID": b"1"}), TAGS
    )

    assert head is not None
    assert head.undecoded == {tag_of("PatientName"): "charset_unknown"}
    assert (head.text("PatientName"), head.text("PatientID")) == (None, "1")


@pytest.mark.parametrize("path", public_files()[::8], ids=lambda path: path.name)
def test_public_files(path: Path) -> None:
    file = path.read_bytes()

    head = parse(file, TAGS)

    assert (head is not None) is (file[128:132] == b"DICM")
    assert head is None or head.text("SOPInstanceUID") or path.name.startswith("DICOMDIR")
