"""``verify`` names every planted difference."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.others import index, published, reference_of
from tests.samples import generate
from tests.site import Site, uids

Json = dict[str, Any]


def _wrong_subject(site: Site, study: Json) -> None:
    other = {"resourceType": "Patient", "id": f"other-{study['id']}"}
    site.put(other)
    site.put(study | {"subject": {"reference": reference_of(other)}})


def _missing_instance(site: Site, study: Json) -> None:
    study["series"][0]["instance"].pop()
    site.put(study)


PLANTED: dict[str, Callable[[Site, Json], None]] = {
    "missing instance": _missing_instance,
    "wrong numberOfInstances": lambda site, study: site.put(study | {"numberOfInstances": 5}),
    "wrong subject": _wrong_subject,
    "missing study": lambda site, study: site.delete(reference_of(study)),
    "doubled study": lambda site, study: site.put(study | {"id": f"double-{study['id']}"}),
    "missing endpoint": lambda site, study: site.put({k: v for k, v in study.items() if k != "endpoint"}),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_verify_names_what_was_planted(site: Site, planted: str) -> None:
    datasets = generate(3, 2, 2, seed=f"bites-{planted}")
    index(site, datasets)
    assert site.verify()["equal"]
    (_, uid, _), dataset = uids(datasets), datasets[4]
    study = published(site, dataset)
    study.pop("meta")
    PLANTED[planted](site, study)
    report = site.verify(expect=1)
    differences = {finding["study_instance_uid"]: finding["differences"] for finding in report["findings"]}
    assert set(differences) & set(uids(datasets)) == {uid}
    assert any(planted in difference for difference in differences[uid]), report


def test_verify_names_an_extra_study_of_ours_and_leaves_others_alone(site: Site) -> None:
    study = index(site, generate(2, 1, 1, seed="bites-extra"))
    stranger = {"resourceType": "ImagingStudy", "id": "a-stranger", "status": "available", "subject": study["subject"]}
    site.put(stranger)
    assert site.verify()["equal"]
    site.put({**stranger, "id": "a-remnant", "endpoint": study["endpoint"]})
    report = site.verify(expect=1)
    assert [finding["study_instance_uid"] for finding in report["findings"]] == ["ImagingStudy/a-remnant"]
