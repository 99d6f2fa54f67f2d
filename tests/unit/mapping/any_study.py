"""Hypothesis strategies for studies of any content: half of it what archives hold, half of it anything in JSON.

Each dataset draws from every attribute that the mapping reads. Most studies have what no study may lack (a UID, a
patient number, a dataset), so that most of them are mapped; the rest shows the errors.
"""

import itertools
import random
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from indexer import mapping
from indexer.model import Attributes, Instance, Series, Study
from indexer.model.attributes import tag_of
from tests.fakes.attributes import vr_of
from tests.golden.record import read_keywords
from tests.unit.mapping.studies import BASIC_TEXT_SR, CT, rules

DEPTH = 3
"""Sequences in sequences: side in region in frame anatomy is the deepest that the mapping reads."""
SEQUENCES = sorted(word for word in read_keywords() if vr_of(word) == "SQ")
PLAIN = sorted(read_keywords() - {*SEQUENCES})

_TEXTS = ("", " ", "0042", "CT", "sr", "F", "1", "-1", "1.5", "99999999999", "ISO", "UUID", "URI", "urn:x", "2024")
_CODES = ("R", "U", "YES", "CHEST", "C-SPINE", "SCT", "SRT", "LN", "99HOSP", "T-D3000", "816094009", "24028007")
_ODD = ("1.2.840.5", "http://example.org/a b", "\0\x1b\ud800", "\ufeff", "x" * 70, "<div>", "a\\b", "\u2028")
_LIKELY = (*_TEXTS, *_CODES, *_ODD)
_BY_VR = {
    "DA": ("20240102", "2024.01.02", "2024-01-02", "20240231", "00010101", "20240101-20240201", "18000101"),
    "TM": ("101112.5", "1011", "10", "10:11:12", "240000", "235960", "noon"),
    "DT": ("20240102101112.5+0100", "20240102101112", "2024", "20240102101112-9900"),
    "PN": ("Muster^Erika=山田^太郎=", "^^^^", "A^B^C^D^E^F^G", "=x", "Dr. X"),
    "IS": ("0", "7", " 12 ", "2147483648", "1e3", "4.0"),
    "SH": ("-0500", "+1400", "+9900", "UTC", "ACC-1"),
}
_OF_CODES = {
    "CodeValue": ("816094009", "24028007", "T-D3000", "24627-2", "a b"),
    "CodingSchemeDesignator": ("SCT", "SRT", "LN", "DCM", "99HOSP", ""),
    "CodeMeaning": ("Chest", "Right", "Left", " "),
}

_MEANT = {
    **_OF_CODES,
    **dict.fromkeys(("Laterality", "ImageLaterality", "FrameLaterality"), ("R", "L", "B", "U", "Q")),
    "BodyPartExamined": ("CHEST", "KNEE", "C-SPINE", "LEFT ARM"),
    "IssuerOfPatientID": ("HOSPITAL", "urn:oid:1.2.3", "https://example.org/x"),
    "Modality": ("CT", "SR", "sr", "MYOWN", "C/T"),
    "PatientSex": ("F", "M", "O", "X"),
    "QualityControlSubject": ("YES", "NO"),
    "TimezoneOffsetFromUTC": ("-0500", "+1400", "+9900", "UTC"),
    "UniversalEntityID": ("1.2.840.5", "8c3b0a5e-5f4e-4b0e-9d35-0a2f6a9d1c11", "https://example.org/x"),
    "UniversalEntityIDType": ("ISO", "UUID", "URI", "DNS"),
}

SCALARS = st.sampled_from(_LIKELY) | st.text(max_size=12) | st.none() | st.booleans() | st.integers() | st.floats()
_NAMES = st.fixed_dictionaries({}, optional={"Alphabetic": SCALARS, "Ideographic": SCALARS, "x": SCALARS})
_ELEMENTS = st.lists(SCALARS | _NAMES, max_size=2).map(lambda values: {"vr": "UN", "Value": values}) | SCALARS


def _usually(likely: st.SearchStrategy[Any], rarely: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda number: rarely if number == 0 else likely)


def _holding(keyword: str, *texts: str) -> tuple[str, Any]:
    return tag_of(keyword), {"vr": vr_of(keyword), "Value": list(texts)}


_ONES = [
    _holding(word, text)
    for word in PLAIN
    for text in (*(_MEANT.get(word) or _BY_VR.get(vr_of(word), ())) * 6, *_LIKELY)
]
_TWOS = [_holding(word, first, second) for word in PLAIN for first, second in (("1", "2"), ("CT", ""), ("A^B", "A^C"))]
_CODES_READY = [dict(map(_holding, _OF_CODES, values)) for values in itertools.product(*_OF_CODES.values())]


def _ready(chance: random.Random, depth: int, attributes: int) -> dict[str, Any]:
    """A dataset of likely values; of its sequences about half have codes as their items."""
    found = dict(chance.sample(_ONES + _TWOS, chance.randint(0, attributes)))
    for word in chance.sample(SEQUENCES, chance.randint(0, 2)) if depth else ():
        of_codes = chance.random() < 0.5
        makes = [chance.choice(_CODES_READY) if of_codes else _ready(chance, depth - 1, 3) for _ in range(2)]
        found[tag_of(word)] = {"vr": "SQ", "Value": makes[: chance.randint(1, 2)]}
    return found


# Ready-made, because drawing each value by itself takes fifty times as long as the mapping.
_chance = random.Random("any study")
_READY = st.sampled_from([_ready(_chance, DEPTH, 12) for _ in range(5_000)])
_ODD_ATTRIBUTES = st.tuples(st.sampled_from([tag_of(word) for word in (*PLAIN, *SEQUENCES)]), _ELEMENTS)
_DRAWN = st.lists(st.sampled_from(_ONES) | _ODD_ATTRIBUTES, max_size=3).map(dict)


_UIDS = ("1.2.3", "1.2.4", "1.2.5")
_ODD_UIDS = ("1.02", "1.2.3\0", "", "..", "1.x", "1" * 65, "00")
_CLASSES = (CT, CT, BASIC_TEXT_SR, "1.3.12.2.1107.5.9.1", *_ODD_UIDS, None)
_NUMBERS = (None, *_BY_VR["IS"], "x")
_INSTANCES = st.sampled_from(
    [Instance(*values) for values in itertools.product((*_UIDS, *_ODD_UIDS[:3]), _CLASSES, _NUMBERS, ("2", None, "x"))]
)
UIDS = st.sampled_from([*_UIDS * 6, *_ODD_UIDS]) | st.sampled_from(_UIDS) | st.text(max_size=4)
ELEMENTS = list(mapping.Element)
_CHOICES = [frozenset(_chance.sample(ELEMENTS, _chance.randint(0, len(ELEMENTS)))) for _ in range(300)]


@st.composite
def studies(draw: st.DrawFn) -> Study:
    """A study, most often of one patient and with a dataset."""
    patient = draw(_usually(st.just({tag_of("PatientID"): {"vr": "LO", "Value": ["0042"]}}), st.just({})))
    datasets = st.builds(lambda ready, drawn: Attributes({**ready, **drawn, **patient}), _READY, _DRAWN)
    series = st.builds(
        Series,
        series_instance_uid=UIDS,
        attributes=datasets,
        instances=st.lists(_INSTANCES, max_size=4).map(tuple),
        sampled=st.dictionaries(UIDS, datasets, max_size=2),
    )
    return Study(
        study_instance_uid=draw(_usually(st.just("1.2.826.1"), UIDS)),
        source="main",
        attributes=draw(datasets),
        series=draw(st.lists(series, max_size=3).map(tuple)),
        is_sampled=draw(_usually(st.just(True), st.just(False))),
    )


STUDIES = studies()
RULES = st.builds(
    rules,
    release=st.sampled_from(list(mapping.Release)),
    subject=st.sampled_from(list(mapping.Subject)),
    without_number=st.sampled_from(list(mapping.WithoutNumber)),
    device_patient_ids=st.sampled_from([(), ("*2",)]),
    preset=st.sampled_from(list(mapping.presets().values())),
    timezone=st.sampled_from([None, ZoneInfo("Europe/Berlin"), ZoneInfo("America/Caracas")]),
    issuer=st.sampled_from(["read", "ignore"]),
    instances=st.sampled_from([mapping.Instances(), mapping.Instances("none"), mapping.Instances("capped", 2)]),
    elements=st.sampled_from([*_CHOICES, *[frozenset(ELEMENTS)] * 100]),
    accession_system=st.sampled_from([None, "urn:oid:1.2.3.5"]),
    meta_source=st.sampled_from([None, "https://pacs.example.org"]),
)
REFERENCES = st.none() | st.just("Patient/known")
