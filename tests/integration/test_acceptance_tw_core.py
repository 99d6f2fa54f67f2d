"""Acceptance: the must-support elements of TW Core's ImagingStudy that DICOM knows, on a real HAPI R4."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.others import index
from tests.samples import clinical_study
from tests.servers.hapi import Hapi
from tests.servers.orthanc import Orthanc, orthanc_versions
from tests.site import Site

PROFILE = "https://twcore.mohw.gov.tw/ig/twcore/StructureDefinition/ImagingStudy-twcore"
MUST_SUPPORT = (
    "identifier",
    "subject",
    "modality",
    "started",
    "series",
    "series.uid",
    "series.modality",
    "series.instance",
    "series.instance.uid",
    "series.instance.sopClass",
    "reasonCode",
    "procedureCode",
)


def test_every_element_that_must_be_supported_is_there(tw_core: dict[str, Any]) -> None:
    """At every place where it can stand: each series, each instance."""
    found = {element: list(_at(tw_core, element.split("."))) for element in MUST_SUPPORT}
    assert [element for element, values in found.items() if not values or not all(values)] == []
    assert len(found["series.instance.uid"]) == 4


def test_elements_say_what_dicom_says(tw_core: dict[str, Any]) -> None:
    assert tw_core["meta"]["profile"] == [PROFILE]
    assert tw_core["started"] == "2024-06-15T10:30:00+08:00"
    assert [one["code"] for one in tw_core["modality"]] == ["CT"]
    procedure = {"system": "http://www.rsna.org/RadLex_Playbook.aspx", "code": "RPID16"}
    assert procedure.items() <= tw_core["procedureCode"][0]["coding"][0].items()
    reason = {"system": "http://hl7.org/fhir/sid/icd-10", "code": "R05"}
    assert reason.items() <= tw_core["reasonCode"][0]["coding"][0].items()
    assert all(
        instance["sopClass"]["system"] == "urn:ietf:rfc:3986"
        and instance["sopClass"]["code"] == "urn:oid:1.2.840.10008.5.1.4.1.1.2"
        for series in tw_core["series"]
        for instance in series["instance"]
    )


def test_identifiers_are_those_of_the_guides_example(tw_core: dict[str, Any]) -> None:
    study, accession = tw_core["identifier"]
    assert (study["use"], study["system"]) == ("official", "urn:dicom:uid")
    assert study["value"].startswith("urn:oid:")
    assert (accession["use"], accession["type"]["coding"][0]["code"]) == ("usual", "ACSN")


def test_the_patient_number_is_official(tw_core_site: Site, tw_core: dict[str, Any]) -> None:
    (number,) = tw_core_site.fetch(tw_core["subject"]["reference"])["identifier"]
    assert (number["use"], number["type"]["coding"][0]["code"]) == ("official", "MR")
    assert number["system"]


@pytest.fixture(scope="module", params=orthanc_versions())
def tw_core_site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, hapi_r4: Hapi
) -> Iterator[Site]:
    """A site with the preset."""
    with Orthanc(request.param) as orthanc:
        mapping = {"mapping": {"preset": "tw-core"}}
        yield Site(home=tmp_path_factory.mktemp("tw-core"), orthanc=orthanc, fhir=hapi_r4.url, top=mapping)


@pytest.fixture(scope="module")
def tw_core(tw_core_site: Site) -> dict[str, Any]:
    """One study as the server holds it."""
    study = index(tw_core_site, clinical_study(f"tw-{tw_core_site.orthanc.version}", series=2, instances=2))
    assert tw_core_site.verify()["equal"]
    return study


def _at(content: Any, path: list[str]) -> Iterator[Any]:
    """What stands at a path below a resource, once for each parent; None where a parent lacks it."""
    if isinstance(content, list):
        for one in content:
            yield from _at(one, path)
    elif not path:
        yield content
    else:
        yield from _at(content[path[0]], path[1:]) if path[0] in content else (None,)
