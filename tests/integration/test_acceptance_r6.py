"""Acceptance: the encoding rules of the R6 build page, held to what is sent and to what a server then holds.

No server of R6 is there to try. Medplum's router stores what it is given without a look at it, so what it holds is what
a server of R6 would be given.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydicom.dataset import Dataset

from tests.integration.others import index
from tests.proxy import Proxy, sent
from tests.samples import clinical_study
from tests.servers.medplum import Medplum
from tests.servers.orthanc import Orthanc
from tests.site import Site, uids
from tests.unit.mapping import r6

STATUS_CODES = {"registered", "available", "cancelled", "entered-in-error", "unknown"}
ACCESSION = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}
WADO_RS = {"system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "code": "dicom-wado-rs"}
SERVICE = "https://pacs.hospital.example/wado-rs"
GONE_SINCE_R4 = {"interpreter", "procedureReference", "procedureCode", "reasonCode", "reasonReference"}


@pytest.fixture(scope="module")
def r6_proxy() -> Iterator[Proxy]:
    """Between the indexer and the server."""
    with Medplum() as server, Proxy(server.url) as between:
        yield between


@pytest.fixture(scope="module")
def r6_site(tmp_path_factory: pytest.TempPathFactory, r6_proxy: Proxy) -> Iterator[Site]:
    """A site that writes R6; its administrator put a slash behind the public address."""
    with Orthanc() as orthanc:
        yield Site(
            home=tmp_path_factory.mktemp("r6"),
            orthanc=orthanc,
            fhir=r6_proxy.url,
            source={"dicomweb": f"{SERVICE}/"},
            target={"release": "R6"},
            top={"mapping": {"elements": {"encounter": True, "referrer": True, "location": True}}},
        )


@pytest.fixture(scope="module")
def datasets() -> list[Dataset]:
    """Two series of images and one of reports."""
    return clinical_study("r6", series=3, instances=2, modality=["CT", "CT", "SR"])


@pytest.fixture(scope="module")
def study(r6_site: Site, datasets: list[Dataset]) -> dict[str, Any]:
    """The study as the server holds it."""
    found = index(r6_site, datasets)
    assert r6_site.verify()["equal"]
    return found


def test_uids_of_series_and_instances_are_encoded_directly(study: dict[str, Any], datasets: list[Dataset]) -> None:
    listed = {(one["uid"], inner["uid"]) for one in study["series"] for inner in one["instance"]}
    assert listed == {(str(one.SeriesInstanceUID), str(one.SOPInstanceUID)) for one in datasets}


def test_uid_of_the_study_is_one_identifier(study: dict[str, Any], datasets: list[Dataset]) -> None:
    values = [one["value"] for one in study["identifier"] if one.get("system") == "urn:dicom:uid"]
    assert values == [f"urn:oid:{datasets[0].StudyInstanceUID}"]


def test_classes_are_oids(study: dict[str, Any], datasets: list[Dataset]) -> None:
    classes = {inner["sopClass"] for one in study["series"] for inner in one["instance"]}
    assert classes == {f"urn:oid:{one.SOPClassUID}" for one in datasets}


def test_accession_number_is_an_identifier_of_its_type(study: dict[str, Any], datasets: list[Dataset]) -> None:
    orders = [one["identifier"] for one in study["basedOn"] if one["type"] == "ServiceRequest"]
    assert [_accession(one) for one in orders] == [("urn:oid:2.25.901", str(datasets[0].AccessionNumber))]


def test_accession_number_identifies_the_study(study: dict[str, Any], datasets: list[Dataset]) -> None:
    found = [_accession(one) for one in study["identifier"] if one.get("system") != "urn:dicom:uid"]
    assert found == [("urn:oid:2.25.901", str(datasets[0].AccessionNumber))]


def test_endpoint_is_the_base_address_of_the_service(r6_site: Site, study: dict[str, Any]) -> None:
    """Scheme, authority and path alone; no sub-service, no trailing slash; what is appended leads to an instance."""
    (reference,) = study["endpoint"]
    endpoint = r6_site.fetch(reference["reference"])
    assert WADO_RS.items() <= endpoint["connectionType"][0]["coding"][0].items()
    address = urlsplit(endpoint["address"])
    assert (address.query, address.fragment) == ("", "")
    assert endpoint["address"] == SERVICE


def test_status_is_a_code_of_the_page(study: dict[str, Any]) -> None:
    assert study["status"] in STATUS_CODES
    assert study["status"] == "available"


def test_counts_are_those_of_the_archive(study: dict[str, Any], datasets: list[Dataset]) -> None:
    assert study["numberOfSeries"] == len(study["series"]) == 3
    assert study["numberOfInstances"] == len(datasets)
    assert [one["numberOfInstances"] for one in study["series"]] == [len(one["instance"]) for one in study["series"]]


def test_modalities_are_those_of_all_series(study: dict[str, Any]) -> None:
    codes = {one["coding"][0]["code"] for one in study["modality"]}
    assert codes == {one["modality"]["coding"][0]["code"] for one in study["series"]} == {"CT", "SR"}


def test_what_r6_dropped_or_typed_anew_is_written_its_way(study: dict[str, Any]) -> None:
    assert not GONE_SINCE_R4 & study.keys()
    assert [one["concept"]["coding"][0]["code"] for one in study["reason"]] == ["R05"]
    assert study["procedure"]
    assert study["encounter"]["identifier"]["value"] == "R6-STAY"
    assert study["referrer"]["display"]


def test_what_was_sent_is_what_show_says_and_breaks_no_rule_of_the_ballot(
    r6_site: Site, r6_proxy: Proxy, study: dict[str, Any], datasets: list[Dataset]
) -> None:
    shown = json.loads(r6_site.cli("show", uids(datasets)[0], "--resource").stdout)
    (written,) = sent.resources(r6_proxy.requests, "ImagingStudy")
    assert written == shown[0]
    assert {name: value for name, value in study.items() if name != "meta"} == written
    everything = [*shown, *sent.resources(r6_proxy.requests, "Endpoint")]
    assert len(everything) == 3
    assert [mistake for one in everything for mistake in r6.mistakes(one)] == []


def _accession(identifier: dict[str, Any]) -> tuple[str, str]:
    (coding,) = identifier["type"]["coding"]
    assert ACCESSION.items() <= coding.items()
    return identifier["system"], identifier["value"]
