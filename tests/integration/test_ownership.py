"""What others wrote into our resources, on a real HAPI R4: kept, given way to, or replaced, as the site wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests import proxy as faults
from tests.integration.others import amend, patient_of, published, reference_of, version
from tests.proxy import sent
from tests.samples import clinical_study, delete_series, store_anew, store_rest
from tests.site import Site, uids

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydicom.dataset import Dataset

    from tests.proxy import Proxy, Recorded
    from tests.servers.hapi import Hapi

pytestmark = pytest.mark.server

RESEARCH = {"system": "urn:research:uid", "value": "research-7"}
EXTENSION = {"url": "https://research.example/quality", "valueString": "good"}
TAG = {"system": "https://research.example/tags", "code": "cohort-7"}
NOTE = {"text": "Shown at the conference."}
SOMEBODY = {"actor": {"display": "Somebody of the research unit"}}
READER = {"display": "A reader"}


def indexed(site: Site, name: str, **attributes: Any) -> list[Dataset]:
    """A study of two series, in Orthanc and on the server."""
    datasets = clinical_study(name, **attributes)
    store_rest(site.orthanc, datasets)
    site.cli("backfill")
    return datasets


def corrected(site: Site, datasets: list[Dataset], expect: int = 0, **attributes: Any) -> None:
    """The same study after a correction in the archive, published."""
    for one in datasets:
        for keyword, value in attributes.items():
            setattr(one, keyword, value)
    store_anew(site.orthanc, datasets)
    site.cli("backfill", expect=expect)


def others_write(site: Site, study: dict[str, Any]) -> dict[str, Any]:
    """Let others add to a study everything that they may; references by the element that bears them."""
    links = {name: {"reference": f"{kind}/{study['id']}"} for name, kind in LINKED.items()}
    for kind in LINKED.values():
        site.put({"resourceType": kind, "id": study["id"], **REQUIRED[kind]})

    def extend(theirs: dict[str, Any]) -> None:
        theirs["identifier"].append(RESEARCH)
        theirs["extension"] = [EXTENSION]
        theirs["meta"]["tag"] = [TAG]
        theirs["note"] = [NOTE]
        theirs["interpreter"] = [READER]
        theirs["encounter"] = links["encounter"]
        theirs["reasonReference"] = [links["reasonReference"]]
        for name in ("endpoint", "basedOn"):
            theirs[name].append(links[name])
        theirs["series"][0]["extension"] = [EXTENSION]
        theirs["series"][0]["instance"][0]["extension"] = [EXTENSION]
        theirs["series"][0]["performer"] = [SOMEBODY]

    amend(site, reference_of(study), extend)
    return links


LINKED = {
    "endpoint": "Endpoint",
    "basedOn": "ServiceRequest",
    "encounter": "Encounter",
    "reasonReference": "Condition",
}
REQUIRED: dict[str, dict[str, Any]] = {
    "Endpoint": {
        "status": "active",
        "connectionType": {"code": "dicom-wado-rs"},
        "payloadType": [{"text": "any"}],
        "address": "http://research.example/dicom-web",
    },
    "ServiceRequest": {"status": "active", "intent": "order", "subject": {"display": "nobody"}},
    "Encounter": {"status": "finished", "class": {"code": "AMB"}},
    "Condition": {"subject": {"display": "nobody"}},
}


def held(study: dict[str, Any], links: dict[str, Any]) -> dict[str, int]:
    """How often the study holds each thing that others wrote."""
    series = study["series"][0]
    places: dict[str, tuple[Any, Any]] = {
        "identifier": (RESEARCH, study["identifier"]),
        "extension": (EXTENSION, study.get("extension", [])),
        "tag": (TAG, study["meta"].get("tag", [])),
        "note": (NOTE, study.get("note", [])),
        "interpreter": (READER, study.get("interpreter", [])),
        "encounter": (links["encounter"], [study.get("encounter")]),
        "reasonReference": (links["reasonReference"], study.get("reasonReference", [])),
        "endpoint": (links["endpoint"], study["endpoint"]),
        "basedOn": (links["basedOn"], study["basedOn"]),
        "series.extension": (EXTENSION, series.get("extension", [])),
        "series.instance.extension": (EXTENSION, series["instance"][0].get("extension", [])),
        "series.performer": (SOMEBODY, series.get("performer", [])),
    }
    return {name: content.count(value) for name, (value, content) in places.items()}


def test_what_others_wrote_survives_an_update(site_1_12: Site) -> None:
    datasets = indexed(site_1_12, "own-survives")
    study = published(site_1_12, uids(datasets)[0])
    links = others_write(site_1_12, study)
    corrected(site_1_12, datasets, StudyDescription="CT Chest, corrected")
    updated = published(site_1_12, uids(datasets)[0])
    assert updated["description"] == "CT Chest, corrected"
    assert set(held(updated, links).values()) == {1}
    assert updated["endpoint"][0] == study["endpoint"][0], "readers take the first endpoint"
    assert site_1_12.verify()["equal"]


@pytest.mark.parametrize("is_touched", [False, True], ids=["untouched", "touched"])
def test_our_own_stale_values_go(site_1_12: Site, is_touched: bool) -> None:
    """A corrected text and order number, a series that was deleted: nothing of them stays, whoever else writes."""
    datasets = indexed(site_1_12, f"own-stale-{is_touched}")
    study = published(site_1_12, uids(datasets)[0])
    if is_touched:
        others_write(site_1_12, study)
    gone = study["series"][1]["uid"]
    delete_series(site_1_12.orthanc, gone)
    left = [one for one in datasets if gone != str(one.SeriesInstanceUID)]
    corrected(site_1_12, left, StudyDescription="Corrected", AccessionNumber=f"NEW-{is_touched}")
    updated = published(site_1_12, uids(datasets)[0])
    assert updated["description"] == "Corrected"
    assert [one["uid"] for one in updated["series"]] == [study["series"][0]["uid"]]
    assert (updated["numberOfSeries"], updated["numberOfInstances"]) == (1, 2)
    assert _accessions(updated) == [f"NEW-{is_touched}"]
    orders = [one["identifier"]["value"] for one in updated["basedOn"] if "identifier" in one]
    assert orders == [f"NEW-{is_touched}"]
    assert (RESEARCH in updated["identifier"]) == is_touched
    assert site_1_12.verify()["equal"]


def test_nothing_is_read_where_nobody_else_wrote(site_1_12: Site, proxy: Proxy) -> None:
    datasets = indexed(site_1_12, "own-unread")
    proxy.clear()
    corrected(site_1_12, datasets, StudyDescription="Corrected")
    requests = proxy.requests
    assert [one["description"] for one in sent.resources(requests, "ImagingStudy")] == ["Corrected"]
    assert sent.reads(requests, "ImagingStudy") == []
    assert sent.reads(requests, "Patient") == []


def test_a_forced_backfill_leaves_a_study_that_is_right_alone(site_1_12: Site) -> None:
    """Others added to it, and nothing of ours changed: there is nothing to write."""
    datasets = indexed(site_1_12, "own-forced")
    study = published(site_1_12, uids(datasets)[0])
    links = others_write(site_1_12, study)
    before = version(site_1_12, reference_of(study))
    site_1_12.cli("backfill", "--study", uids(datasets)[0], "--force")
    assert version(site_1_12, reference_of(study)) == before
    assert set(held(published(site_1_12, uids(datasets)[0]), links).values()) == {1}


def test_what_others_removed_from_our_lists_comes_back(site_1_12: Site) -> None:
    datasets = indexed(site_1_12, "own-removed")
    study = published(site_1_12, uids(datasets)[0])

    def prune(theirs: dict[str, Any]) -> None:
        theirs["identifier"] = theirs["identifier"][:1]
        del theirs["series"][1]
        del theirs["series"][0]["instance"][1]

    amend(site_1_12, reference_of(study), prune)
    corrected(site_1_12, datasets, StudyDescription="Corrected")
    updated = published(site_1_12, uids(datasets)[0])
    assert updated["identifier"] == study["identifier"]
    assert updated["series"] == study["series"]
    assert site_1_12.verify()["equal"]


def test_somebody_writes_between_our_read_and_our_write(site_1_12: Site, proxy: Proxy, hapi_r4: Hapi) -> None:
    """Both of their writes survive: the one that we read, and the one that made our version stale."""
    datasets = indexed(site_1_12, "own-race")
    study = published(site_1_12, uids(datasets)[0])
    amend(site_1_12, reference_of(study), lambda theirs: theirs["identifier"].append(RESEARCH))
    beside_us = Site(home=site_1_12.home, orthanc=site_1_12.orthanc, fhir=hapi_r4.url)
    meddled: list[Recorded] = []

    def meddle(request: Recorded) -> bool:
        writes = [one.resource_type for one in request.writes]
        if "ImagingStudy" in writes and len(meddled) < 3:
            meddled.append(request)
            note = {"text": f"Word {len(meddled)}"}
            amend(beside_us, reference_of(study), lambda theirs: theirs.setdefault("note", []).append(note))
        return False

    proxy.inject(faults.reset(), times=None, when=meddle)
    corrected(site_1_12, datasets, StudyDescription="Corrected")
    updated = published(site_1_12, uids(datasets)[0])
    assert len(meddled) == 3, "the test did not get between"
    assert updated["description"] == "Corrected"
    assert [one["text"] for one in updated["note"]] == ["Word 1", "Word 2", "Word 3"]
    assert RESEARCH in updated["identifier"]


def test_exclusive_replaces_the_whole(site_1_12: Site) -> None:
    site_1_12.top["ownership"] = "exclusive"
    datasets = indexed(site_1_12, "own-exclusive")
    study = published(site_1_12, uids(datasets)[0])
    links = others_write(site_1_12, study)
    corrected(site_1_12, datasets, StudyDescription="Corrected")
    updated = published(site_1_12, uids(datasets)[0])
    assert {name for name, count in held(updated, links).items() if count} <= {"tag"}, (
        "HAPI keeps tags that an update does not name"
    )
    assert _ours(updated) == _ours(study) | {"description": "Corrected"}


def _describe(text: str) -> Callable[[dict[str, Any]], object]:
    return lambda theirs: theirs.update(description=text)


def test_in_a_conflict_ours_is_written(site_1_12: Site) -> None:
    """The default; another element that others changed alone stays theirs."""
    datasets = indexed(site_1_12, "own-ours")
    study = published(site_1_12, uids(datasets)[0])
    amend(site_1_12, reference_of(study), lambda theirs: theirs.update(description="Theirs", status="registered"))
    corrected(site_1_12, datasets, StudyDescription="Corrected")
    updated = published(site_1_12, uids(datasets)[0])
    assert (updated["description"], updated["status"]) == ("Corrected", "registered")


def test_in_a_conflict_theirs_stays(site_1_12: Site) -> None:
    """Now and when the archive changes it again; what is not in conflict becomes ours."""
    site_1_12.top["conflict"] = "theirs"
    datasets = indexed(site_1_12, "own-theirs")
    study = published(site_1_12, uids(datasets)[0])
    amend(site_1_12, reference_of(study), _describe("Theirs"))
    for turn in ("FIRST", "SECOND"):
        corrected(site_1_12, datasets, StudyDescription=f"Ours, {turn}", AccessionNumber=turn)
        updated = published(site_1_12, uids(datasets)[0])
        assert updated["description"] == "Theirs"
        assert _accessions(updated) == [turn]


def test_in_a_conflict_the_study_goes_to_quarantine(site_1_12: Site) -> None:
    """Nothing of it is written until somebody has decided; neither text is quoted."""
    site_1_12.top["conflict"] = "quarantine"
    datasets = indexed(site_1_12, "own-quarantine")
    study = published(site_1_12, uids(datasets)[0])
    amend(site_1_12, reference_of(study), _describe("Theirs"))
    before = version(site_1_12, reference_of(study))
    corrected(site_1_12, datasets, expect=1, StudyDescription="Ours anew", AccessionNumber="ANEW")
    assert version(site_1_12, reference_of(study)) == before
    shown = site_1_12.cli("quarantine", "show", uids(datasets)[0]).stdout
    assert "edited_by_others" in shown
    assert "ImagingStudy.description" in shown
    assert not [text for text in ("Theirs", "Ours anew") if text in shown]

    amend(site_1_12, reference_of(study), _describe("Ours anew"))
    site_1_12.cli("quarantine", "replay", uids(datasets)[0])
    site_1_12.cli("backfill")
    updated = published(site_1_12, uids(datasets)[0])
    assert (updated["description"], _accessions(updated)) == ("Ours anew", ["ANEW"])
    assert "0 in quarantine" in site_1_12.cli("quarantine", "list").stdout


def test_a_lost_ledger_loses_and_doubles_nothing(site_1_12: Site, proxy: Proxy) -> None:
    """Another key is made for the Patients' ids then, and still the one that stands is found again."""
    datasets = indexed(site_1_12, "own-lost")
    study = published(site_1_12, uids(datasets)[0])
    links = others_write(site_1_12, study)
    before = published(site_1_12, uids(datasets)[0])
    for path in site_1_12.home.glob("ledger.db*"):
        path.unlink()
    proxy.clear()
    site_1_12.cli("backfill")
    assert proxy.written()["Patient"] == 0
    after = published(site_1_12, uids(datasets)[0])
    assert set(held(after, links).values()) == {1}
    assert _ours(after) == _ours(before)
    (number,) = patient_of(site_1_12, uids(datasets)[0])["identifier"]
    assert len(site_1_12.search("Patient", identifier=f"{number['system']}|{number['value']}")) == 1
    service = site_1_12.fetch(study["endpoint"][0]["reference"])["identifier"][0]["value"]
    assert len(site_1_12.search("Endpoint", identifier=service)) == 1

    corrected(site_1_12, datasets, StudyDescription="Corrected")
    updated = published(site_1_12, uids(datasets)[0])
    assert updated["description"] == "Corrected"
    assert set(held(updated, links).values()) == {1}


def test_what_others_wrote_into_our_patient_survives(site_1_12: Site) -> None:
    datasets = indexed(site_1_12, "own-patient", PatientName="Old^Name")
    patient = patient_of(site_1_12, uids(datasets)[0])
    phone = {"system": "phone", "value": "+49 30 0000000"}

    def extend(theirs: dict[str, Any]) -> None:
        theirs["identifier"].append(RESEARCH)
        theirs["telecom"] = [phone]

    amend(site_1_12, f"Patient/{patient['id']}", extend)
    corrected(site_1_12, datasets, PatientName="New^Name", PatientSex="F")
    updated = patient_of(site_1_12, uids(datasets)[0])
    assert updated["id"] == patient["id"]
    assert [one["family"] for one in updated["name"]] == ["New"], "our old name is stale"
    assert updated["gender"] == "female"
    assert RESEARCH in updated["identifier"]
    assert updated["telecom"] == [phone]
    assert site_1_12.verify()["equal"]


def _accessions(study: dict[str, Any]) -> list[str]:
    return [one["value"] for one in study["identifier"] if one.get("use") == "usual"]


def _ours(study: dict[str, Any]) -> dict[str, Any]:
    """The study without what the server counts and stamps."""
    return {name: value for name, value in study.items() if name != "meta"}
