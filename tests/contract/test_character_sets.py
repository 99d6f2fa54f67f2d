"""Texts in every character set, as real Orthancs hand them out and as their files have them."""

from dataclasses import dataclass, replace

import pytest

from indexer import mapping
from indexer.errors import StudyInvalid
from indexer.model import Study, StudyLocation
from tests.contract.source_cases import RULES, Case, on_real
from tests.samples import generate
from tests.samples.raw import raw_file, store_raw, study_instance_uid

WAYS = ("tools/find", "dicomweb", "files")


@dataclass(frozen=True)
class Text:
    """A PatientName as a file holds it, and the text of its HumanNames; None where it cannot be told."""

    character_set: bytes
    name: bytes
    texts: tuple[str, ...] | None


def kanji(text: str) -> bytes:
    return text.encode("iso2022_jp")


TEXTS = [
    Text(b"", b"M\xfcller^Uwe", ("Uwe Müller",)),
    Text(b"ISO_IR 100", b"M\xfcller^Uwe", ("Uwe Müller",)),
    Text(b"ISO_IR 101", "Kovář^Jiří".encode("iso8859_2"), ("Jiří Kovář",)),
    Text(b"ISO_IR 126", "Παπαδόπουλος^Γιώργος".encode("iso8859_7"), ("Γιώργος Παπαδόπουλος",)),
    Text(b"ISO_IR 127", "قباني^لنزار".encode("iso8859_6"), ("لنزار قباني",)),
    Text(b"ISO_IR 138", "שרון^דבורה".encode("iso8859_8"), ("דבורה שרון",)),
    Text(b"ISO_IR 144", "Люкceмбypг^Иван".encode("iso8859_5"), ("Иван Люкceмбypг",)),
    Text(b"ISO_IR 148", "Çelik^Şule".encode("iso8859_9"), ("Şule Çelik",)),
    Text(b"ISO_IR 166", "สมชาย".encode("iso8859_11"), ("สมชาย",)),
    Text(b"ISO_IR 192", "Müller^Иван".encode(), ("Иван Müller",)),
    Text(b"GB18030", "王^小东".encode("gb18030"), ("小东 王",)),
    Text(b"GBK", "王^小东".encode("gbk"), ("小东 王",)),
    Text(b"ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ".encode("shift_jis"), ("ﾀﾛｳ ﾔﾏﾀﾞ",)),
    Text(
        b"\\ISO 2022 IR 87",
        b"Yamada^Tarou=" + kanji("山田") + b"^" + kanji("太郎"),
        ("Tarou Yamada", "太郎 山田"),
    ),
    Text(
        b"ISO 2022 IR 13\\ISO 2022 IR 87",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=".encode("shift_jis") + kanji("山田").replace(b"(B", b"(J") + b"^" + kanji("太郎"),
        ("ﾀﾛｳ ﾔﾏﾀﾞ", "太郎 山田"),
    ),
    Text(
        b"\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C" + "洪^".encode("euc_kr") + b"\x1b$)C" + "吉洞".encode("euc_kr"),
        ("Gildong Hong", "吉洞 洪"),
    ),
    Text(
        b"\\ISO 2022 IR 58",
        b"Wang^XiaoDong=\x1b$)A" + "王".encode("gb2312") + b"^\x1b$)A" + "小东".encode("gb2312"),
        ("XiaoDong Wang", "小东 王"),
    ),
    Text(
        b"ISO 2022 IR 100\\ISO 2022 IR 144",
        b"M\xfcller^\x1b-L" + "Иван".encode("iso8859_5"),
        ("Иван Müller",),
    ),
    Text(
        b"ISO 2022 IR 100\\ISO 2022 IR 126",
        b"M\xfcller^\x1b-F" + "Γιώργος".encode("iso8859_7"),
        ("Γιώργος Müller",),
    ),
    Text(b"UTF-8", "Müller^Иван".encode(), ("Иван Müller",)),
    Text(b"ISO-IR 100", b"M\xfcller^Uwe", ("Uwe Müller",)),
    Text(b"ISO_IR_100", b"M\xfcller^Uwe", ("Uwe Müller",)),
    Text(b"ISO_IR 999", b"M\xfcller^Uwe", None),
    Text(b"ISO_IR 999", b"Miller^Uwe", ("Uwe Miller",)),
]

NUMBERS = [
    (b"ISO_IR 999", b"\xc4161", "patient_id_charset"),
    (b"UTF-8", "Ä161".encode(), "Ä161"),
    (b"ISO-IR 100", b"\xc4161", "Ä161"),
    (b"ISO_IR 100", b"\xc4161", "Ä161"),
    (b"ISO_IR 999", b"161", "161"),
    (b"ISO_IR 192", b"161", "161"),
    (b"", b"161", "161"),
]


def sampled(case: Case, way: str, location: StudyLocation) -> Study:
    study = case.source.read(location)
    return replace(study, series=case.samples_by(way).sample(study), is_sampled=True)


@on_real
@pytest.mark.parametrize("way", WAYS)
def test_names_are_whole_or_left_out(case: Case, way: str) -> None:
    texts: dict[str, Text] = {}
    for number, text in enumerate(TEXTS):
        seed = f"name-{number}"
        values = {"SpecificCharacterSet": text.character_set, "PatientName": text.name, "PatientID": b"1"}
        store_raw(case.orthanc, raw_file(seed, values))
        texts[study_instance_uid(seed)] = text
    for location in case.locations():
        text = texts[location.study_instance_uid]
        mapped = mapping.map_study(sampled(case, way, location), RULES)
        names = mapped.patient.get("name", [])
        assert tuple(name["text"] for name in names) == (text.texts or ()), text
        is_counted = any(issue.cause is mapping.Cause.CHARSET_UNKNOWN for issue in mapped.issues)
        assert is_counted is (text.texts is None), text


@on_real
@pytest.mark.parametrize("way", WAYS)
def test_a_patient_number_is_whole_or_in_quarantine(case: Case, way: str) -> None:
    expected: dict[str, str] = {}
    for number, (character_set, patient_id, outcome) in enumerate(NUMBERS):
        seed = f"number-{number}"
        values = {"SpecificCharacterSet": character_set, "PatientID": patient_id}
        store_raw(case.orthanc, raw_file(seed, values))
        expected[study_instance_uid(seed)] = outcome
    outcomes: dict[str, str] = {}
    for location in case.locations():
        try:
            mapped = mapping.map_study(sampled(case, way, location), RULES)
            outcomes[location.study_instance_uid] = mapped.patient["identifier"][0]["value"]
        except StudyInvalid as error:
            outcomes[location.study_instance_uid] = error.cause
    assert outcomes == expected


@on_real
@pytest.mark.parametrize("character_set", [b"ISO_IR 192", b"ISO_IR 6", b"GB18030"])
def test_bytes_that_a_defined_set_does_not_have(case: Case, character_set: bytes) -> None:
    """Orthanc drops them, too, and no answer shows that: only who reads all files sees it."""
    values = {"SpecificCharacterSet": character_set, "PatientID": b"161\xff", "PatientName": b"M\xff"}
    store_raw(case.orthanc, raw_file("invalid", values))
    (location,) = case.locations()

    with pytest.raises(StudyInvalid) as raised:
        mapping.map_study(sampled(case, "files", location), RULES)

    assert raised.value.cause == "patient_id_charset"


@on_real
def test_an_ordinary_archive_costs_no_request_more(case: Case) -> None:
    """Only where characters may have been lost, or several creators made a study, is a file read."""
    case.store(generate(studies=3, series=2, instances=2, SpecificCharacterSet="ISO_IR 100"))
    studies = [case.source.read(location) for location in case.locations()]
    case.transport.paths.clear()
    case.dicomweb.paths.clear()

    for study in studies:
        case.samples.sample(study)

    assert not [path for path in case.transport.paths if path.startswith(("/instances", "/tools/lookup"))]


@on_real
@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_dicomweb_cannot_show_is_read_otherwise(case: Case, way: str) -> None:
    """Orthanc's plugin answers 500 for a decimal where an integer string is due."""
    store_raw(case.orthanc, raw_file("decimal", {"PatientID": b"161", "Exposure": b"0.5"}))
    (location,) = case.locations()

    mapped = mapping.map_study(sampled(case, way, location), RULES)

    assert mapped.imaging_study["numberOfInstances"] == 1
    assert mapped.patient["identifier"][0]["value"] == "161"
