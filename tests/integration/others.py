"""Other programs that work on the same FHIR server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.site import Site


def amend(site: Site, reference: str, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Read a resource, change it and write it back, as a careful program would; the resource as it was written."""
    resource = site.fetch(reference)
    change(resource)
    answer = requests.put(
        f"{site.fhir}/{reference}",
        json=resource,
        headers={"If-Match": f'W/"{resource["meta"]["versionId"]}"'},
        timeout=60,
    )
    answer.raise_for_status()
    return resource


def version(site: Site, reference: str) -> str:
    """Version of a resource on the server."""
    return str(site.fetch(reference)["meta"]["versionId"])


def published(site: Site, study_instance_uid: str) -> dict[str, Any]:
    """The ImagingStudy of a study, which has to be there."""
    found = site.study(study_instance_uid)
    assert found is not None, "the study is not there"
    return found


def reference_of(study: dict[str, Any]) -> str:
    """Reference to a study."""
    return f"ImagingStudy/{study['id']}"


def patient_of(site: Site, study_instance_uid: str) -> dict[str, Any]:
    """The Patient that a study refers to."""
    return site.fetch(published(site, study_instance_uid)["subject"]["reference"])
