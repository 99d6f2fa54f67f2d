"""Orders, stays and persons of other systems, looked up by the numbers that a study states, on a real HAPI R4."""

import pytest

from tests.integration.others import amend, correct, index, published, reference_of
from tests.proxy import Proxy, sent
from tests.samples import clinical_study, store_rest
from tests.samples.clinical import ORDER_SYSTEM, STAFF_SCHEME, STAFF_SYSTEM, STAY_SYSTEM
from tests.site import Site


@pytest.fixture
def resolving(site: Site) -> Site:
    """A site that looks up all three."""
    site.top["mapping"] = {
        "coding_schemes": {STAFF_SCHEME: STAFF_SYSTEM},
        "resolve": ["basedOn", "encounter", "referrer"],
    }
    return site


def stay(site: Site, fhir_id: str, number: str) -> str:
    """A stay that another system wrote; its reference."""
    identifier = [{"system": STAY_SYSTEM, "value": number}]
    content = {"identifier": identifier, "status": "finished", "class": {"code": "IMP"}}
    site.put({"resourceType": "Encounter", "id": fhir_id, **content})
    return f"Encounter/{fhir_id}"


def test_none_and_several_leave_the_number_alone(resolving: Site) -> None:
    datasets = clinical_study("resolve-several")
    for place in ("a", "b"):
        stay(resolving, f"resolve-several-{place}", datasets[0].AdmissionID)
    study = index(resolving, datasets)
    references = [study["encounter"], study["referrer"], *study["basedOn"]]
    assert not any("reference" in reference for reference in references)
    systems = [reference["identifier"]["system"] for reference in references]
    assert systems == [STAY_SYSTEM, STAFF_SYSTEM, ORDER_SYSTEM]
    assert resolving.verify()["equal"]


def test_what_appears_later_is_referred_to_at_the_next_look(resolving: Site) -> None:
    datasets = clinical_study("resolve-later")
    assert "reference" not in index(resolving, datasets)["encounter"]
    reference = stay(resolving, "resolve-later", datasets[0].AdmissionID)
    resolving.cli("backfill")
    encounter = published(resolving, datasets[0])["encounter"]
    assert (encounter["reference"], encounter["identifier"]["value"]) == (reference, datasets[0].AdmissionID)
    assert resolving.verify()["equal"]


def test_a_link_of_somebody_else_stays_where_the_look_finds_nothing(resolving: Site) -> None:
    """A RIS knows the stay under another number than the archive."""
    datasets = clinical_study("resolve-foreign")
    study = index(resolving, datasets)
    linked = stay(resolving, "resolve-foreign", "ANOTHER-NUMBER")
    amend(resolving, reference_of(study), lambda theirs: theirs["encounter"].update(reference=linked))
    updated = correct(resolving, datasets, StudyDescription="Corrected")
    assert (updated["description"], updated["encounter"]["reference"]) == ("Corrected", linked)


def test_another_stay_takes_the_place_of_the_one_before(resolving: Site) -> None:
    """The archive corrects the number: the link to the wrong stay goes."""
    datasets = clinical_study("resolve-moved", AdmissionID="RESOLVE-WRONG")
    wrong = stay(resolving, "resolve-wrong", "RESOLVE-WRONG")
    right = stay(resolving, "resolve-right", "RESOLVE-RIGHT")
    assert index(resolving, datasets)["encounter"]["reference"] == wrong
    for number, expected in (("RESOLVE-RIGHT", right), ("RESOLVE-UNKNOWN", None)):
        encounter = correct(resolving, datasets, AdmissionID=number)["encounter"]
        assert (encounter["identifier"]["value"], encounter.get("reference")) == (number, expected)


def test_no_number_stands_in_an_address(resolving: Site, proxy: Proxy) -> None:
    datasets = [dataset for n in range(5) for dataset in clinical_study(f"resolve-many-{n}", series=1, instances=1)]
    store_rest(resolving.orthanc, datasets)
    resolving.target["bundle"] = {"target_time": "30s"}
    proxy.clear()
    resolving.cli("backfill")
    requests, bundles = proxy.requests, proxy.bundles
    assert [url for url in sent.urls(requests) if "RESOLVE-MANY" in url.upper()] == []
    for resource_type in ("Encounter", "Practitioner", "ServiceRequest"):
        assert 1 <= len(sent.searches(requests, resource_type)) <= len(bundles)
