"""What others wrote into our resources, on a real HAPI R4: kept, given way to, or replaced, as the site wants it."""

from typing import Any

import pytest

from tests import proxy as faults
from tests.integration.others import (
    NOTE,
    accessions,
    amend,
    correct,
    correct_archive,
    families,
    index,
    patient_of,
    published,
    reference_of,
    version,
)
from tests.proxy import Proxy, Recorded, sent
from tests.samples import clinical_study, delete
from tests.servers.hapi import Hapi
from tests.site import Site, uids

Json = dict[str, Any]
RESEARCH = {"system": "urn:research:uid", "value": "research-7"}
EXTENSION = {"url": "https://research.example/quality", "valueString": "good"}
TAG = {"system": "https://research.example/tags", "code": "cohort-7"}
SOMEBODY = {"actor": {"display": "Somebody of the research unit"}}
READER = {"display": "A reader"}
LINKED: dict[str, Json] = {
    "endpoint": {
        "resourceType": "Endpoint",
        "status": "active",
        "connectionType": {"code": "dicom-wado-rs"},
        "payloadType": [{"text": "any"}],
        "address": "http://research.example/dicom-web",
    },
    "basedOn": {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "subject": {"display": "nobody"},
    },
    "encounter": {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}},
    "reasonReference": {"resourceType": "Condition", "subject": {"display": "nobody"}},
}
"""What others link to a study, by the element that bears the reference."""


def others_write(site: Site, study: Json) -> Json:
    """Let others add to a study everything that they may; the references that they added, by their element."""
    for resource in LINKED.values():
        site.put(resource | {"id": study["id"]})
    links = {name: {"reference": f"{one['resourceType']}/{study['id']}"} for name, one in LINKED.items()}

    def extend(theirs: Json) -> None:
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


def theirs_in(study: Json, links: Json) -> dict[str, int]:
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


def test_what_others_wrote_survives_an_update(site: Site) -> None:
    datasets = clinical_study("own-survives")
    study = index(site, datasets)
    links = others_write(site, study)
    updated = correct(site, datasets, StudyDescription="CT Chest, corrected")
    assert updated["description"] == "CT Chest, corrected"
    assert set(theirs_in(updated, links).values()) == {1}
    assert updated["endpoint"][0] == study["endpoint"][0], "readers take the first endpoint"
    assert site.verify()["equal"]


@pytest.mark.parametrize("is_touched", [False, True], ids=["untouched", "touched"])
def test_our_own_stale_values_go(site: Site, is_touched: bool) -> None:
    """A corrected text and order number, a series that was deleted: nothing of them stays, whoever else writes."""
    datasets = clinical_study(f"own-stale-{is_touched}")
    study = index(site, datasets)
    if is_touched:
        others_write(site, study)
    gone = study["series"][1]["uid"]
    delete(site.orthanc, gone)
    left = [dataset for dataset in datasets if gone != str(dataset.SeriesInstanceUID)]
    updated = correct(site, left, StudyDescription="Corrected", AccessionNumber=f"NEW-{is_touched}")
    assert updated["description"] == "Corrected"
    assert [series["uid"] for series in updated["series"]] == [study["series"][0]["uid"]]
    assert (updated["numberOfSeries"], updated["numberOfInstances"]) == (1, 2)
    assert accessions(updated) == [f"NEW-{is_touched}"]
    orders = [order["identifier"]["value"] for order in updated["basedOn"] if "identifier" in order]
    assert orders == [f"NEW-{is_touched}"]
    assert (RESEARCH in updated["identifier"]) == is_touched
    assert site.verify()["equal"]


def test_no_study_is_read_where_nobody_else_wrote(site: Site, proxy: Proxy) -> None:
    datasets = clinical_study("own-unread")
    index(site, datasets)
    proxy.clear()
    correct_archive(site, datasets, StudyDescription="Corrected")
    site.cli("backfill")
    requests = proxy.requests
    assert [study["description"] for study in sent.resources(requests, "ImagingStudy")] == ["Corrected"]
    assert sent.reads(requests, "ImagingStudy") == []
    assert len(sent.reads(requests, "Patient")) == 1, "somebody may have merged it into another one"


def test_a_forced_backfill_leaves_a_study_that_is_right_alone(site: Site) -> None:
    """Others added to it, and nothing of ours changed: there is nothing to write."""
    datasets = clinical_study("own-forced")
    study = index(site, datasets)
    links = others_write(site, study)
    before = version(site, reference_of(study))
    site.cli("backfill", "--study", uids(datasets)[0], "--force")
    assert version(site, reference_of(study)) == before
    assert set(theirs_in(published(site, datasets[0]), links).values()) == {1}


def test_what_others_removed_from_our_lists_comes_back(site: Site) -> None:
    datasets = clinical_study("own-removed")
    study = index(site, datasets)

    def prune(theirs: Json) -> None:
        theirs["identifier"] = theirs["identifier"][:1]
        del theirs["series"][1]
        del theirs["series"][0]["instance"][1]

    amend(site, reference_of(study), prune)
    updated = correct(site, datasets, StudyDescription="Corrected")
    assert updated["identifier"] == study["identifier"]
    assert updated["series"] == study["series"]
    assert site.verify()["equal"]


def test_somebody_writes_between_our_read_and_our_write(site: Site, proxy: Proxy, hapi_r4: Hapi) -> None:
    """Both of their writes survive: the one that we read, and the one that made our version stale."""
    datasets = clinical_study("own-race")
    study = index(site, datasets)
    amend(site, reference_of(study), lambda theirs: theirs["identifier"].append(RESEARCH))
    beside_us = Site(home=site.home, orthanc=site.orthanc, fhir=hapi_r4.url)
    meddled: list[Recorded] = []

    def meddle(request: Recorded) -> bool:
        if "ImagingStudy" in [entry.resource_type for entry in request.writes] and len(meddled) < 3:
            meddled.append(request)
            note = {"text": f"Word {len(meddled)}"}
            amend(beside_us, reference_of(study), lambda theirs: theirs.setdefault("note", []).append(note))
        return False

    proxy.inject(faults.reset(), times=None, when=meddle)
    updated = correct(site, datasets, StudyDescription="Corrected")
    assert len(meddled) == 3, "the test did not get between"
    assert updated["description"] == "Corrected"
    assert [note["text"] for note in updated["note"]] == ["Word 1", "Word 2", "Word 3"]
    assert RESEARCH in updated["identifier"]


def test_exclusive_replaces_the_whole(site: Site) -> None:
    site.top["ownership"] = "exclusive"
    datasets = clinical_study("own-exclusive")
    study = index(site, datasets)
    links = others_write(site, study)
    updated = correct(site, datasets, StudyDescription="Corrected")
    # HAPI keeps tags that an update does not name.
    assert {name for name, count in theirs_in(updated, links).items() if count} <= {"tag"}
    assert without_meta(updated) == without_meta(study) | {"description": "Corrected"}


def test_in_a_conflict_ours_is_written(site: Site) -> None:
    """The default; another element that others changed alone stays theirs."""
    datasets = clinical_study("own-ours")
    study = index(site, datasets)
    amend(site, reference_of(study), lambda theirs: theirs.update(description="Theirs", status="registered"))
    updated = correct(site, datasets, StudyDescription="Corrected")
    assert (updated["description"], updated["status"]) == ("Corrected", "registered")


def test_in_a_conflict_theirs_stays(site: Site) -> None:
    """Now and when the archive changes it again; what is not in conflict becomes ours."""
    site.top["conflict"] = "theirs"
    datasets = clinical_study("own-theirs")
    describe(site, index(site, datasets), "Theirs")
    for turn in ("FIRST", "SECOND"):
        updated = correct(site, datasets, StudyDescription=f"Ours, {turn}", AccessionNumber=turn)
        assert (updated["description"], accessions(updated)) == ("Theirs", [turn])


def test_in_a_conflict_the_study_goes_to_quarantine(site: Site) -> None:
    """Nothing of it is written until somebody has decided; neither text is quoted."""
    site.top["conflict"] = "quarantine"
    datasets = clinical_study("own-quarantine")
    study = index(site, datasets)
    describe(site, study, "Theirs")
    before = version(site, reference_of(study))
    correct(site, datasets, expect=1, StudyDescription="Ours anew", AccessionNumber="ANEW")
    assert version(site, reference_of(study)) == before
    shown = site.cli("quarantine", "show", uids(datasets)[0]).stdout
    assert "edited_by_others" in shown
    assert "ImagingStudy.description" in shown
    assert not [text for text in ("Theirs", "Ours anew") if text in shown]

    describe(site, study, "Ours anew")
    site.cli("quarantine", "replay", uids(datasets)[0])
    site.cli("backfill")
    updated = published(site, datasets[0])
    assert (updated["description"], accessions(updated)) == ("Ours anew", ["ANEW"])
    assert "0 in quarantine" in site.cli("quarantine", "list").stdout


def test_a_lost_ledger_loses_and_doubles_nothing(site: Site, proxy: Proxy) -> None:
    """Another key is made for the Patients' ids then, and still the one that stands is found again."""
    datasets = clinical_study("own-lost")
    study = index(site, datasets)
    links = others_write(site, study)
    before = published(site, datasets[0])
    for path in site.home.glob("ledger.db*"):
        path.unlink()
    proxy.clear()
    site.cli("backfill")
    assert proxy.written()["Patient"] == 0
    after = published(site, datasets[0])
    assert set(theirs_in(after, links).values()) == {1}
    assert without_meta(after) == without_meta(before)
    (number,) = patient_of(site, after)["identifier"]
    assert len(site.search("Patient", identifier=f"{number['system']}|{number['value']}")) == 1
    service = site.fetch(study["endpoint"][0]["reference"])["identifier"][0]["value"]
    assert len(site.search("Endpoint", identifier=service)) == 1

    updated = correct(site, datasets, StudyDescription="Corrected")
    assert updated["description"] == "Corrected"
    assert set(theirs_in(updated, links).values()) == {1}


def test_what_others_wrote_into_our_patient_survives(site: Site) -> None:
    datasets = clinical_study("own-patient", PatientName="Old^Name")
    patient = patient_of(site, index(site, datasets))
    phone = {"system": "phone", "value": "+49 30 0000000"}

    def extend(theirs: Json) -> None:
        theirs["identifier"].append(RESEARCH)
        theirs["telecom"] = [phone]

    amend(site, reference_of(patient), extend)
    updated = patient_of(site, correct(site, datasets, PatientName="New^Name", PatientSex="F"))
    assert updated["id"] == patient["id"]
    assert families(updated) == ["New"], "our old name is stale"
    assert updated["gender"] == "female"
    assert RESEARCH in updated["identifier"]
    assert updated["telecom"] == [phone]
    assert site.verify()["equal"]


def describe(site: Site, study: Json, text: str) -> None:
    amend(site, reference_of(study), lambda theirs: theirs.update(description=text))


def without_meta(study: Json) -> Json:
    """The study without what the server counts and stamps."""
    return {name: value for name, value in study.items() if name != "meta"}
