"""``verify`` names every planted difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.samples import generate, store_rest
from tests.site import uids

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.site import Site

pytestmark = pytest.mark.server


def _missing_instance(site: Site, study: dict[str, Any]) -> None:
    study["series"][0]["instance"].pop()
    site.put(study)


def _wrong_count(site: Site, study: dict[str, Any]) -> None:
    study["numberOfInstances"] += 1
    site.put(study)


def _wrong_subject(site: Site, study: dict[str, Any]) -> None:
    site.put({"resourceType": "Patient", "id": f"other-{study['id']}"})
    study["subject"] = {"reference": f"Patient/other-{study['id']}"}
    site.put(study)


def _missing_study(site: Site, study: dict[str, Any]) -> None:
    site.delete(f"ImagingStudy/{study['id']}")


def _doubled_study(site: Site, study: dict[str, Any]) -> None:
    site.put({**study, "id": f"double-{study['id']}"})


def _missing_endpoint(site: Site, study: dict[str, Any]) -> None:
    del study["endpoint"]
    site.put(study)


PLANTED: dict[str, Callable[[Site, dict[str, Any]], None]] = {
    "missing instance": _missing_instance,
    "wrong numberOfInstances": _wrong_count,
    "wrong subject": _wrong_subject,
    "missing study": _missing_study,
    "doubled study": _doubled_study,
    "missing endpoint": _missing_endpoint,
}


@pytest.mark.parametrize("planted", PLANTED)
def test_verify_names_what_was_planted(site_1_12: Site, planted: str) -> None:
    datasets = generate(3, 2, 2, seed=f"bites-{planted}")
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    assert site_1_12.verify()["equal"]
    uid = uids(datasets)[1]
    study = site_1_12.study(uid)
    assert study is not None
    study.pop("meta")
    PLANTED[planted](site_1_12, study)
    report = site_1_12.verify(expect=1)
    found = {finding["study_instance_uid"]: finding["differences"] for finding in report["findings"]}
    assert set(found) & set(uids(datasets)) == {uid}
    assert any(planted in difference for difference in found[uid]), report


def test_verify_names_an_extra_study_of_ours_and_leaves_others_alone(site_1_12: Site) -> None:
    datasets = generate(2, 1, 1, seed="bites-extra")
    store_rest(site_1_12.orthanc, datasets)
    site_1_12.cli("backfill")
    study = site_1_12.study(uids(datasets)[0])
    assert study is not None
    stranger = {"resourceType": "ImagingStudy", "id": "a-stranger", "status": "available", "subject": study["subject"]}
    site_1_12.put(stranger)
    assert site_1_12.verify()["equal"]
    site_1_12.put({**stranger, "id": "a-remnant", "endpoint": study["endpoint"]})
    report = site_1_12.verify(expect=1)
    assert [finding["study_instance_uid"] for finding in report["findings"]] == ["ImagingStudy/a-remnant"]
