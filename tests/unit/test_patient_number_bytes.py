"""Different patient numbers never share a Patient, whatever their bytes and character sets; equal ones always do."""

from hypothesis import assume, given
from hypothesis import strategies as st

from indexer import mapping
from indexer.errors import StudyInvalid
from indexer.mapping import Rules
from indexer.model import Attributes, Instance, Series, Study
from indexer.model.attributes import tag_of
from indexer.orthanc.file_head import parse
from tests.samples.raw import raw_file

RULES = Rules(site_key=b"bytes", patient_id_system="urn:oid:1.2.3")
TAGS = [tag_of(keyword) for keyword in mapping.sampled_keywords(RULES)]
CODECS = {
    "ISO_IR 100": "latin-1",
    "ISO_IR 101": "iso8859-2",
    "ISO_IR 144": "iso8859-5",
    "ISO_IR 192": "utf-8",
    "UTF-8": "utf-8",
    "ISO-IR 148": "iso8859-9",
    "GB18030": "gb18030",
}
SETS = st.sampled_from([*CODECS, "ISO_IR 999", "ISO 2022 IR 6", "ISO_IR 13", ""])
NUMBERS = st.text(st.sampled_from("ÄÖö16 -.^=ЯżÞ"), min_size=1, max_size=6)
ISSUERS = st.sampled_from([b"", b"A", b"B"])


def patient_of(character_set: str, number: bytes, issuer: bytes = b"") -> str:
    """Key of the Patient, or why there is none."""
    values = {"SpecificCharacterSet": character_set.encode(), "PatientID": number, "IssuerOfPatientID": issuer}
    head = parse(raw_file("bytes", values), TAGS)
    assert head is not None
    instance = Instance("1.2.3.5")
    series = Series(
        series_instance_uid="1.2.3.4", attributes=Attributes({}), instances=(instance,), sampled={"1.2.3.5": head}
    )
    study = Study(
        study_instance_uid="1.2.3", source="main", attributes=Attributes({}), series=(series,), is_sampled=True
    )
    try:
        return mapping.map_study(study, RULES).patient_key
    except StudyInvalid as error:
        return error.cause


def is_key(outcome: str) -> bool:
    return len(outcome) == 64


@given(SETS, st.binary(min_size=1, max_size=8), st.binary(min_size=1, max_size=8), ISSUERS, ISSUERS)
def test_different_bytes_are_different_patients(
    character_set: str, first: bytes, second: bytes, first_issuer: bytes, second_issuer: bytes
) -> None:
    assume((first.strip(b" \0"), first_issuer) != (second.strip(b" \0"), second_issuer))

    patients = patient_of(character_set, first, first_issuer), patient_of(character_set, second, second_issuer)

    assert not is_key(patients[0]) or patients[0] != patients[1]


@given(st.sampled_from(list(CODECS)), st.sampled_from(list(CODECS)), NUMBERS, NUMBERS)
def test_numbers_in_two_character_sets(first_set: str, second_set: str, first: str, second: str) -> None:
    try:
        encoded = first.encode(CODECS[first_set]), second.encode(CODECS[second_set])
    except UnicodeEncodeError:
        assume(False)

    patients = patient_of(first_set, encoded[0]), patient_of(second_set, encoded[1])

    is_same = first.strip(" ") == second.strip(" ")
    assert is_same is (patients[0] == patients[1]) or not all(map(is_key, patients))


@given(st.sampled_from(["ISO_IR 999", "KOI8-R", "ISO 2022 IR 6"]), st.binary(min_size=1, max_size=8))
def test_an_unknown_set_never_shortens_a_number(character_set: str, number: bytes) -> None:
    outcome = patient_of(character_set, number)

    assert is_key(outcome) is False or number.isascii()
