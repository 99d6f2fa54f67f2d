import re
from typing import Any

import pytest
from pydicom._uid_dict import UID_dictionary
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts

from indexer.mapping import coding
from indexer.mapping.tables import column, rows


def in_context_group(cid: int) -> dict[str, str]:
    """Codes and displays of a DCM context group, as pydicom has them."""
    found: dict[str, str] = {}
    meanings: dict[str, Any] = concepts["DCM"]
    for keyword in cid_concepts[cid]["DCM"]:
        found.update({code: display for code, (display, cids) in meanings[keyword].items() if cid in cids})
    return found


def test_acquisition_modalities_are_cid_29() -> None:
    assert {code for code, kind in column("modality").items() if kind == "acquisition"} == in_context_group(29).keys()


def test_modalities_hold_cid_33_with_its_displays() -> None:
    displays = column("modality", 2)
    assert {code: displays[code] for code in in_context_group(33)} == in_context_group(33)


def test_modalities_of_sop_classes_are_registered_and_defined() -> None:
    table = column("sop-class-modality")
    assert all(UID_dictionary[uid][1] == "SOP Class" for uid in table)
    assert set(table.values()) <= column("modality").keys()


def test_every_image_class_tells_its_modality() -> None:
    untold = {
        entry[0]
        for uid, entry in UID_dictionary.items()
        if entry[1] == "SOP Class"
        and not entry[3]
        and "Image Storage" in entry[0]
        and "Secondary Capture" not in entry[0]
        and uid not in column("sop-class-modality")
    }
    assert untold == {
        "DICOS CT Image Storage",
        "DICOS Digital X-Ray Image Storage - For Presentation",
        "DICOS Digital X-Ray Image Storage - For Processing",
        "Eddy Current Image Storage",
        "Eddy Current Multi-frame Image Storage",
    }


@pytest.mark.parametrize("name", ["modality", "sop-class-modality", "elements", "sampled"])
def test_tables_are_cited_and_plain(name: str) -> None:
    table = rows(name)
    assert len({row[0] for row in table}) == len(table) or name == "elements"
    assert len({len(row) for row in table}) == 1
    assert all(field == field.strip() and field for row in table for field in row)


def test_unknown_class_is_other() -> None:
    assert coding.modality_of_sop_class("1.2.3") == coding.modality_of_sop_class(None) == "OT"
    assert re.fullmatch(r"[A-Z]+", coding.OTHER_MODALITY)
