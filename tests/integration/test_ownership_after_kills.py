"""A process that died with its writes half told: what it wrote is ours at the next start, not somebody else's."""

import signal

import pytest

from tests.integration.others import (
    NOTE,
    accessions,
    annotate,
    correct_archive,
    families,
    index,
    patient_of,
    published,
)
from tests.samples import clinical_study, store_rest
from tests.site import Site

POINTS = ("before-send", "after-send", "before-settle", "after-settle")
FIRST = {"AccessionNumber": "FIRST", "StudyDescription": "First"}


def die(site: Site, point: str) -> None:
    site.cli("backfill", kill_at=point, expect=-signal.SIGKILL)


@pytest.mark.parametrize("point", POINTS)
def test_others_write_while_we_are_dead(site: Site, point: str) -> None:
    datasets = clinical_study(f"dead-others-{point}", **FIRST)
    study = index(site, datasets)
    correct_archive(site, datasets, StudyDescription="Second", AccessionNumber="SECOND")
    die(site, point)
    annotate(site, study)
    site.cli("backfill")
    updated = published(site, datasets[0])
    assert (updated["description"], accessions(updated)) == ("Second", ["SECOND"])
    assert updated["note"] == [NOTE]
    assert site.verify()["equal"]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("conflict", ["ours", "theirs", "quarantine"])
def test_what_we_wrote_before_we_died_is_no_strangers(site: Site, conflict: str, point: str) -> None:
    """The archive changes once more before the next start: nothing of the version between stays, and none calls it
    somebody else's.
    """
    site.top["conflict"] = conflict
    datasets = clinical_study(f"dead-{conflict}-{point}", **FIRST)
    index(site, datasets)
    correct_archive(site, datasets, StudyDescription="Second", AccessionNumber="SECOND")
    die(site, point)
    correct_archive(site, datasets[:2], StudyDescription="Third", AccessionNumber="THIRD")
    site.cli("backfill")
    updated = published(site, datasets[0])
    assert (updated["description"], accessions(updated)) == ("Third", ["THIRD"])
    assert [order["identifier"]["value"] for order in updated["basedOn"]] == ["THIRD"]
    assert len(updated["series"]) == updated["numberOfSeries"] == 1
    assert site.verify()["equal"]


@pytest.mark.parametrize("point", POINTS[1:])
def test_a_first_version_that_nobody_confirmed_is_ours(site: Site, point: str) -> None:
    """The process died over the first publication of a study and its Patient; both are corrected before the next."""
    datasets = clinical_study(f"dead-first-{point}", AccessionNumber="FIRST", PatientName="First^Name")
    store_rest(site.orthanc, datasets)
    die(site, point)
    published(site, datasets[0])  # else it died too early
    correct_archive(site, datasets, AccessionNumber="SECOND", PatientName="Second^Name")
    site.cli("backfill")
    study = published(site, datasets[0])
    assert accessions(study) == ["SECOND"]
    assert families(patient_of(site, study)) == ["Second"]
    assert site.verify()["equal"]
