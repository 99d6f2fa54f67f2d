"""The merge, rule by rule: what survives, what goes, what converges, and what a conflict is."""

import copy
from typing import Any

import pytest

from indexer.errors import StudyInvalid
from indexer.merge import Conflict, Merged, merge

NOTE = {"url": "https://example.org/note", "valueString": "theirs"}
OTHER = {"url": "https://example.org/other", "valueString": "theirs, too"}
SUPPORTING = {
    "url": "http://hl7.eu/fhir/ig/flute/StructureDefinition/resource-supportingInfo",
    "valueReference": {"reference": "Observation/psa"},
}
PATIENT_A, PATIENT_B, PATIENT_C = ({"reference": f"Patient/{letter}"} for letter in "abc")
CHEST = {"system": "http://snomed.info/sct", "code": "816094009", "display": "Chest"}
HEAD = {"system": "http://snomed.info/sct", "code": "69536005", "display": "Head"}
LOCAL = {"system": "https://example.org/sites", "code": "TH"}

Elements = dict[str, Any]


def study(elements: Elements) -> Elements:
    return {"resourceType": "ImagingStudy", "id": "1", **elements}


def merged(
    before: Elements | None, ours: Elements, theirs: Elements, conflict: Conflict = Conflict.OURS
) -> tuple[Elements, Merged]:
    """Elements of the result without type and id, and the result; what goes in must come out unchanged."""
    versions = (None if before is None else study(before), study(ours), study(theirs))
    kept = copy.deepcopy(versions)
    found = merge(*versions, conflict)
    assert versions == kept
    assert found.is_changed == (found.resource != versions[2])
    return {name: value for name, value in found.resource.items() if name not in ("resourceType", "id")}, found


def conflicts(before: Elements, ours: Elements, theirs: Elements) -> list[str]:
    """Paths of the elements that both changed, which the policy ``quarantine`` tells, and nothing else."""
    with pytest.raises(StudyInvalid) as raised:
        merged(before, ours, theirs, Conflict.QUARANTINE)
    assert raised.value.cause == "edited_by_others"
    assert "quarantine replay" in raised.value.hint
    said, _, paths = raised.value.message.partition("too: ")
    assert said == "Others changed what changes in the archive, "
    return paths.removesuffix(".").split(", ")


def in_series(**elements: Any) -> Elements:
    return {"series": [{"uid": "1.2", **elements}]}


def in_instance(**elements: Any) -> Elements:
    return in_series(instance=[{"uid": "1.2.3", **elements}])


def meta(**elements: Any) -> Elements:
    return {"meta": elements}


FOREIGN: dict[str, Elements] = {
    "identifier": {"identifier": [{"system": "urn:sparc_study:uid", "value": "s1"}]},
    "extension": {"extension": [NOTE]},
    "two extensions of one url": {"extension": [SUPPORTING, {**SUPPORTING, "valueReference": PATIENT_C}]},
    "modifierExtension": {"modifierExtension": [NOTE]},
    "extension of a series": in_series(extension=[NOTE]),
    "modifierExtension of a series": in_series(modifierExtension=[NOTE]),
    "extension of an instance": in_instance(extension=[NOTE]),
    "extension of a primitive": {"_description": {"extension": [NOTE]}},
    "extension of a primitive that we do not write": {"_started": {"extension": [NOTE]}},
    "extension of a primitive in a series": in_series(_description={"extension": [NOTE]}),
    "extension of a primitive in an array": meta(profile=["https://example.org/p"], _profile=[{"extension": [NOTE]}]),
    "extension of subject": {"subject": {**PATIENT_A, "extension": [NOTE]}},
    "display of subject": {"subject": {**PATIENT_A, "display": "theirs"}},
    "id of an element": {"subject": {**PATIENT_A, "id": "s"}},
    "extension of our identifier": {"identifier": [{"system": "urn:dicom:uid", "value": "u", "extension": [NOTE]}]},
    "endpoint": {"endpoint": [{"reference": "Endpoint/theirs"}]},
    "endpoint of a series": in_series(endpoint=[{"reference": "Endpoint/theirs"}]),
    "note": {"note": [{"text": "theirs"}]},
    "basedOn": {"basedOn": [{"reference": "ServiceRequest/1"}]},
    "encounter": {"encounter": {"reference": "Encounter/1"}},
    "reasonReference": {"reasonReference": [{"reference": "Condition/1"}]},
    "procedureReference": {"procedureReference": {"reference": "Procedure/1"}},
    "tag": meta(tag=[{"system": "https://example.org/tags", "code": "research"}]),
    "security": meta(security=[{"system": "https://example.org/labels", "code": "R"}]),
    "profile": meta(profile=["https://example.org/theirs"]),
    "contained": {"contained": [{"resourceType": "Practitioner", "id": "p", "name": [{"text": "theirs"}]}]},
    "interpreter": {"interpreter": [{"display": "theirs"}]},
    "coding of bodySite": in_series(bodySite={"coding": [CHEST, LOCAL]}),
    "series": {"series": [{"uid": "9.9", "modality": {"code": "OT"}}]},
    "instance": in_series(instance=[{"uid": "9.9.9", "number": 7}]),
    "performer": in_series(performer=[{"actor": {"reference": "Device/1"}}]),
    "language": {"language": "de"},
}

WRITTEN = study(
    {
        "identifier": [{"system": "urn:dicom:uid", "value": "u"}],
        "subject": PATIENT_A,
        "endpoint": [{"reference": "Endpoint/ours"}],
        "description": "Chest",
        "series": [
            {
                "uid": "1.2",
                "modality": {"code": "CT"},
                "bodySite": {"coding": [CHEST]},
                "instance": [{"uid": "1.2.3", "number": 1}],
            }
        ],
    }
)


def over(resource: Any, added: Any) -> Any:
    """The resource with an addition: into the elements that are there by uid, reference or value, else behind them."""
    if isinstance(resource, dict) and isinstance(added, dict):
        names = {**resource, **added}
        return {name: over(resource.get(name), added.get(name)) for name in names}
    if isinstance(resource, list) and isinstance(added, list):
        keys = [one.get("uid", one.get("value", one.get("code", id(one)))) for one in resource]
        places = {keys.index(one.get("uid", one.get("value", one.get("code")))): one for one in added if _in(keys, one)}
        there = [over(one, places.get(place)) for place, one in enumerate(resource)]
        return there + [one for one in added if not _in(keys, one)]
    return resource if added is None else added


def _in(keys: list[Any], one: Elements) -> bool:
    return one.get("uid", one.get("value", one.get("code"))) in keys


@pytest.mark.parametrize("added", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("is_known", [True, False], ids=["before known", "before unknown"])
def test_what_others_added_survives_our_update(added: Elements, is_known: bool) -> None:
    theirs = over(WRITTEN, added)
    assert theirs != WRITTEN
    ours = WRITTEN | {"description": "Thorax"}
    found = merge(WRITTEN if is_known else None, ours, theirs, Conflict.OURS)
    assert found == Merged(theirs | {"description": "Thorax"}, is_changed=True, is_shared=True)


@pytest.mark.parametrize("added", FOREIGN.values(), ids=FOREIGN)
def test_what_others_added_is_no_reason_to_write(added: Elements) -> None:
    theirs = over(WRITTEN, added)
    for before in (WRITTEN, None):
        found = merge(before, WRITTEN, theirs, Conflict.QUARANTINE)
        assert found.resource is theirs
        assert not found.is_changed


SINGLE = [
    # before, ours, theirs, what stands then
    ("a", "a", "a", "a"),
    ("a", "b", "a", "b"),
    ("a", None, "a", None),
    ("a", "a", "b", "b"),
    ("a", "a", None, None),
    ("a", "b", "b", "b"),
    ("a", None, None, None),
    (None, "a", None, "a"),
    (None, None, "a", "a"),
    (None, "a", "a", "a"),
]
CONFLICTS = [("a", "b", "c"), ("a", None, "c"), ("a", "b", None), (None, "b", "c")]

DESCRIPTIONS = {"a": "Chest", "b": "Thorax", "c": "Torso"}
SUBJECTS = {"a": PATIENT_A, "b": PATIENT_B, "c": PATIENT_C}
SITES = {
    "a": {"coding": [CHEST], "text": "Chest"},
    "b": {"coding": [HEAD], "text": "Head"},
    "c": {"coding": [LOCAL], "text": "Throat"},
}
PERIODS = {letter: {"start": f"202{number}"} for number, letter in enumerate("abc")}
VALUES = {"a": {"valueString": "a"}, "b": {"valueInteger": 1}, "c": {"valueBoolean": True}}


def elements_of(kind: str, letter: str | None) -> Elements:
    """Elements that hold one of three values, or none of them."""
    if letter is None:
        return {"description": {}, "subject": {}, "bodySite": in_series(), "period": {}, "value": {}}[kind]
    return {
        "description": {"description": DESCRIPTIONS[letter]},
        "subject": {"subject": SUBJECTS[letter]},
        "bodySite": in_series(bodySite=SITES[letter]),
        "period": {"period": PERIODS[letter]},
        "value": {"extension": [{"url": "u", **VALUES[letter]}]},
    }[kind]


KINDS = {
    "description": "ImagingStudy.description",
    "subject": "ImagingStudy.subject",
    "bodySite": "ImagingStudy.series.bodySite",
    "period": "ImagingStudy.period",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("before", "ours", "theirs", "expected"), SINGLE)
def test_a_single_element_takes_the_one_change(
    kind: str, before: str | None, ours: str | None, theirs: str | None, expected: str | None
) -> None:
    versions = (elements_of(kind, one) for one in (before, ours, theirs))
    assert merged(*versions, Conflict.QUARANTINE)[0] == elements_of(kind, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("before", "ours", "theirs"), CONFLICTS)
def test_a_single_element_that_both_changed_is_a_conflict(
    kind: str, before: str | None, ours: str | None, theirs: str | None
) -> None:
    versions = [elements_of(kind, one) for one in (before, ours, theirs)]
    for conflict, expected in ((Conflict.OURS, ours), (Conflict.THEIRS, theirs)):
        assert merged(*versions, conflict)[0] == elements_of(kind, expected)
    assert conflicts(*versions) == [KINDS[kind]]


@pytest.mark.parametrize(("kind", "conflict"), [(kind, conflict) for kind in KINDS for conflict in Conflict])
def test_without_what_we_wrote_last_ours_holds_and_there_is_no_conflict(kind: str, conflict: Conflict) -> None:
    assert merged(None, elements_of(kind, "a"), elements_of(kind, "c"), conflict)[0] == elements_of(kind, "a")
    assert merged(None, elements_of(kind, None), elements_of(kind, "c"), conflict)[0] == elements_of(kind, "c")


@pytest.mark.parametrize(
    ("before", "ours", "theirs", "expected"), [case for case in SINGLE if None not in case], ids="".join
)
def test_the_value_of_an_extension_is_one_whatever_its_type(before: str, ours: str, theirs: str, expected: str) -> None:
    versions = (elements_of("value", one) for one in (before, ours, theirs))
    assert merged(*versions, Conflict.QUARANTINE)[0] == elements_of("value", expected)


def test_a_conflict_over_the_value_of_an_extension_leaves_one_value() -> None:
    versions = [elements_of("value", one) for one in "abc"]
    for conflict, expected in ((Conflict.OURS, "b"), (Conflict.THEIRS, "c")):
        assert merged(*versions, conflict)[0] == elements_of("value", expected)
    assert conflicts(*versions) == ["ImagingStudy.extension.value[x]"]


def test_paths_of_conflicts_stand_once_and_hold_no_values() -> None:
    def version(text: str) -> Elements:
        return {"series": [{"uid": f"1.2.{one}", "description": f"{text} {one}"} for one in range(3)]}

    assert conflicts(version("a"), version("b"), version("c")) == ["ImagingStudy.series.description"]


def test_counts_are_ours_beside_series_and_instances_of_others() -> None:
    counts = {"numberOfSeries": 1, "numberOfInstances": 1}
    written = counts | in_series(numberOfInstances=1, instance=[{"uid": "1.2.3"}])
    theirs = {
        "numberOfSeries": 2,
        "numberOfInstances": 9,
        "series": [
            {"uid": "1.2", "numberOfInstances": 2, "instance": [{"uid": "1.2.3"}, {"uid": "9.9.9"}]},
            {"uid": "9.9", "numberOfInstances": 7},
        ],
    }
    expected = theirs | counts | {"series": [theirs["series"][0] | {"numberOfInstances": 1}, theirs["series"][1]]}
    assert merged(written, written, theirs, Conflict.QUARANTINE)[0] == expected


def test_a_subject_that_moves_takes_nothing_of_the_old_one_along() -> None:
    said = {**PATIENT_A, "display": "Erika", "identifier": {"value": "42"}, "extension": [NOTE]}
    assert merged({"subject": PATIENT_A}, {"subject": PATIENT_B}, {"subject": said})[0] == {"subject": PATIENT_B}
    assert merged(None, {"subject": PATIENT_B}, {"subject": said})[0] == {"subject": PATIENT_B}


def test_what_we_said_of_the_old_subject_is_not_taken_from_a_new_one_that_both_chose() -> None:
    before, theirs = {**PATIENT_A, "display": "Erika"}, {**PATIENT_B, "display": "Erika"}
    elements, found = merged({"subject": before}, {"subject": PATIENT_B}, {"subject": theirs}, Conflict.QUARANTINE)
    assert elements == {"subject": theirs}
    assert not found.is_changed


def test_a_subject_that_others_moved_stays_though_we_say_more_of_the_old_one() -> None:
    before, ours = {"subject": PATIENT_A}, {"subject": {**PATIENT_A, "display": "Erika"}}
    assert merged(before, ours, {"subject": PATIENT_C}, Conflict.QUARANTINE)[0] == {"subject": PATIENT_C}


def test_a_literal_reference_that_others_gave_to_our_logical_one_stays() -> None:
    logical = {"type": "Encounter", "identifier": {"system": "urn:oid:1.2", "value": "E1"}}
    literal = {**logical, "reference": "Encounter/5"}
    for ours, expected in ((logical, literal), (None, {"reference": "Encounter/5"})):
        elements, _ = merged({"encounter": logical}, {"encounter": ours} if ours else {}, {"encounter": literal})
        assert elements == {"encounter": expected}


def test_an_element_of_another_kind_is_taken_as_a_whole() -> None:
    concept, codes = {"modality": {"coding": [CHEST]}}, {"modality": [CHEST]}
    assert merged(concept, concept, codes)[0] == codes
    assert merged(codes, concept, codes)[0] == concept
    assert conflicts({}, concept, codes) == ["ImagingStudy.modality"]


def test_what_stays_empty_is_left_out() -> None:
    ours = {"meta": {"tag": [LOCAL]}, "_started": {"extension": [NOTE]}, "extension": [NOTE]}
    theirs = copy.deepcopy(ours) | {"status": "available"}
    theirs["_started"]["id"] = "x"
    assert merged(ours, {}, theirs)[0] == {"status": "available", "_started": {"id": "x"}}
    theirs["extension"].reverse()
    theirs["meta"]["tag"].append(CHEST)
    assert merged(ours | {"meta": {"tag": [LOCAL, CHEST]}}, {}, {"meta": {"tag": [CHEST, LOCAL]}})[0] == {}


class TestServersOwnElements:
    def test_versions_and_narrative_are_no_change(self) -> None:
        theirs = study({"meta": {"versionId": "3", "lastUpdated": "2024-01-01T00:00:00Z"}, "text": {"div": "<div/>"}})
        for before in (None, study({})):
            found = merge(before, study({}), theirs, Conflict.QUARANTINE)
            assert not found.is_changed
            assert found.resource is theirs

    def test_versions_are_not_written_and_the_narrative_stays(self) -> None:
        theirs = study({"meta": {"versionId": "3", "tag": [LOCAL]}, "text": {"div": "<div/>"}})
        found = merge(study({}), study({"status": "available"}), theirs, Conflict.OURS)
        assert found.resource == study({"status": "available", "meta": {"tag": [LOCAL]}, "text": {"div": "<div/>"}})

    def test_our_narrative_stands_only_where_there_is_none(self) -> None:
        ours, other = study({"text": {"div": "ours"}}), study({"text": {"div": "theirs"}})
        assert not merge(study({}), ours, other, Conflict.QUARANTINE).is_changed
        new = ours | {"status": "available"}
        assert merge(study({}), new, other, Conflict.QUARANTINE).resource == other | {"status": "available"}
        assert merge(study({}), new, study({}), Conflict.OURS).resource["text"] == ours["text"]

    def test_the_id_is_that_of_the_resource_that_is_there(self) -> None:
        ours = study({"status": "available"})
        assert merge(None, ours, {"resourceType": "ImagingStudy", "id": "77"}, Conflict.OURS).resource["id"] == "77"
        assert merge(None, ours, {"resourceType": "ImagingStudy"}, Conflict.OURS).resource["id"] == "1"

    @pytest.mark.parametrize(
        ("before", "ours", "theirs", "expected"),
        [
            ("http://o", "http://o", "http://o#q1", None),
            ("http://o#part", "http://o#part", "http://o#q1", None),
            ("http://o", "http://p", "http://o#q1", "http://p"),
            ("http://o", "http://o", "http://theirs", None),
            ("http://o", "http://p", "http://theirs", "http://p"),
            (None, "http://o", "#q1", "http://o"),
            (None, None, "#q1", None),
            (None, None, "http://theirs#q1", None),
            ("http://o", None, "http://o#q1", ""),
        ],
    )
    def test_the_number_of_the_request_in_meta_source_is_no_change(
        self, before: str | None, ours: str | None, theirs: str, expected: str | None
    ) -> None:
        written, wanted, held = (study({"meta": {"source": one}} if one else {}) for one in (before, ours, theirs))
        found = merge(written, wanted, held, Conflict.OURS)
        assert found.is_changed == (expected is not None)
        assert found.resource.get("meta", {}).get("source", "") == (theirs if expected is None else expected)

    @pytest.mark.parametrize("strange", [{"meta": "x"}, {"meta": {"source": 5}}, {"meta": {}}])
    def test_a_strange_meta_is_borne(self, strange: Elements) -> None:
        ours = study({"meta": {"source": "http://o"}})
        assert merge(None, ours, study(strange), Conflict.OURS).resource == ours
        assert merge(study(strange), ours, study({"meta": {"source": "http://p#1"}}), Conflict.OURS).resource == ours
