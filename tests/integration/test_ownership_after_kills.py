"""A process that died with its writes half told: what it wrote is ours at the next start, not somebody else's."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.others import amend, patient_of, published, reference_of
from tests.samples import clinical_study, store_anew, store_rest
from tests.site import uids

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from tests.site import Site

pytestmark = pytest.mark.server

POINTS = ("before-send", "after-send", "before-settle", "after-settle")


def _indexed(site: Site, name: str, **attributes: Any) -> list[Dataset]:
    datasets = clinical_study(name, AccessionNumber="FIRST", StudyDescription="First", **attributes)
    store_rest(site.orthanc, datasets)
    site.cli("backfill")
    return datasets


def _correct(site: Site, datasets: list[Dataset], **attributes: Any) -> None:
    for one in datasets:
        for keyword, value in attributes.items():
            setattr(one, keyword, value)
    store_anew(site.orthanc, datasets)


def _die(site: Site, point: str) -> None:
    site.cli("backfill", kill_at=point, expect=-signal.SIGKILL)


def _note(theirs: dict[str, Any]) -> None:
    theirs["note"] = [{"text": "Theirs"}]


def _accessions(study: dict[str, Any]) -> list[str]:
    return [one["value"] for one in study["identifier"] if one.get("use") == "usual"]


@pytest.mark.parametrize("point", POINTS)
def test_others_write_while_we_are_dead(site_1_12: Site, point: str) -> None:
    datasets = _indexed(site_1_12, f"dead-others-{point}")
    study = published(site_1_12, uids(datasets)[0])
    _correct(site_1_12, datasets, StudyDescription="Second", AccessionNumber="SECOND")
    _die(site_1_12, point)
    amend(site_1_12, reference_of(study), _note)
    site_1_12.cli("backfill")
    updated = published(site_1_12, uids(datasets)[0])
    assert (updated["description"], _accessions(updated)) == ("Second", ["SECOND"])
    assert updated["note"] == [{"text": "Theirs"}]
    assert site_1_12.verify()["equal"]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("conflict", ["ours", "theirs", "quarantine"])
def test_what_we_wrote_before_we_died_is_no_strangers(site_1_12: Site, conflict: str, point: str) -> None:
    """The archive changes once more before the next start: nothing of the version between stays, and none calls it
    somebody else's.
    """
    site_1_12.top["conflict"] = conflict
    datasets = _indexed(site_1_12, f"dead-{conflict}-{point}")
    _correct(site_1_12, datasets, StudyDescription="Second", AccessionNumber="SECOND")
    _die(site_1_12, point)
    _correct(site_1_12, datasets[:2], StudyDescription="Third", AccessionNumber="THIRD")
    site_1_12.cli("backfill")
    updated = published(site_1_12, uids(datasets)[0])
    assert (updated["description"], _accessions(updated)) == ("Third", ["THIRD"])
    assert [one["identifier"]["value"] for one in updated["basedOn"]] == ["THIRD"]
    assert len(updated["series"]) == updated["numberOfSeries"] == 1
    assert site_1_12.verify()["equal"]


@pytest.mark.parametrize("point", POINTS[1:])
def test_a_first_version_that_nobody_confirmed_is_ours(site_1_12: Site, point: str) -> None:
    """The process died over the first publication of a study and its Patient; both are corrected before the next."""
    datasets = clinical_study(f"dead-first-{point}", AccessionNumber="FIRST", PatientName="First^Name")
    store_rest(site_1_12.orthanc, datasets)
    _die(site_1_12, point)
    assert site_1_12.study(uids(datasets)[0]) is not None, "it died too early"
    _correct(site_1_12, datasets, AccessionNumber="SECOND", PatientName="Second^Name")
    site_1_12.cli("backfill")
    assert _accessions(published(site_1_12, uids(datasets)[0])) == ["SECOND"]
    patient = patient_of(site_1_12, uids(datasets)[0])
    assert [one["family"] for one in patient["name"]] == ["Second"]
    assert site_1_12.verify()["equal"]
