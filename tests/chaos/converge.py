"""The check after a campaign: whatever happened, the FHIR server holds what the archive holds, once."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from tests.site import Site

SETTLE_S = 600.0
STEADY_S = 10.0
"""How long nothing may be under way before the result is read."""

EXTRA = "extra study: no source holds it"
"""What `verify` says of a study that was deleted in the archive: it is not taken back yet."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the FHIR server holds in the end.

    Attributes
    ----------
    studies
        Studies of the archive, all of them compared.
    silent
        Studies that differed until a backfill read them again: the archive had told nothing of a change.
    lost
        Studies and Endpoints that are missing or differ even then, with what differs.
    doubled
        Identifiers that several resources of a type bear.
    quarantined
        Studies in quarantine; none deserved it.
    deleted
        Studies that the archive no longer holds.
    settled_s
        Time until nothing was under way any more.
    """

    studies: int
    silent: tuple[str, ...]
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    quarantined: int
    deleted: int
    settled_s: float

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.quarantined)


def converge(site: Site) -> Outcome:
    """Wait until nothing is under way, then compare everything; the daemon runs meanwhile."""
    settled_s = _settle(site)
    report = site.verify(expect=None)
    silent, lost = _different(report), ()
    if silent:
        for finding in report["findings"]:
            if finding["differences"] != [EXTRA]:
                print(_story(site, finding["study_instance_uid"]))
        site.cli("backfill")
        report = site.verify(expect=None)
        lost = _different(report)
    return Outcome(
        studies=report["studies"],
        silent=tuple(sorted({*silent} - {*lost})),
        lost=lost,
        doubled=tuple(_doubled(site, "ImagingStudy") + _doubled(site, "Patient")),
        quarantined=site.status()["quarantined"],
        deleted=sum(finding["differences"] == [EXTRA] for finding in report["findings"]),
        settled_s=settled_s,
    )


def _different(report: dict[str, Any]) -> tuple[str, ...]:
    """What `verify` found, without studies that were deleted in the archive."""
    findings = [one for one in report["findings"] if one["differences"] != [EXTRA]]
    texts = [f"{one['study_instance_uid']}: {'; '.join(one['differences'])}" for one in findings]
    return (*texts, *(f"{uid}: not settled" for uid in report["unsettled"]))


def _story(site: Site, uid: str) -> str:
    """What the archive told of a study, and what the program made of it."""
    orthanc = site.orthanc.url
    shown = site.cli("show", uid, expect=None)
    with requests.Session() as session:
        session.trust_env = False
        ids: set[str] = set()
        for found in session.post(f"{orthanc}/tools/lookup", data=uid, timeout=30).json():
            ids.add(found["ID"])
            for level in ("series", "instances"):
                ids.update(one["ID"] for one in session.get(f"{orthanc}{found['Path']}/{level}", timeout=30).json())
        rows = session.get(f"{orthanc}/changes?limit=1000000", timeout=60).json()["Changes"]
    told = [f"{row['Seq']} {row['Date']} {row['ChangeType']} {row['ResourceType']}" for row in rows if row["ID"] in ids]
    return "\n".join([f"--- {uid}", shown.stdout, *told[-40:]])


def _settle(site: Site) -> float:
    """Wait until every change is noted and every study is settled, and stays so; returns how long it took."""
    begun = steady_since = time.monotonic()
    while time.monotonic() - steady_since < STEADY_S:
        time.sleep(1)
        state = site.status()
        assert time.monotonic() - begun < SETTLE_S, f"still under way after {SETTLE_S:.0f} s: {state}"
        if state["dirty"] or not state["reachable"] or state["feed_position"] != state["feed_end"]:
            steady_since = time.monotonic()
    return steady_since - begun


def _doubled(site: Site, resource_type: str) -> list[str]:
    """Identifiers that more than one resource of a type bears."""
    found = Counter(
        f"{resource_type} {identifier.get('system')}|{identifier['value']}"
        for resource in _all(site, resource_type)
        for identifier in resource.get("identifier", ())
        if resource_type == "Patient" or identifier.get("system") == "urn:dicom:uid"
    )
    return [name for name, count in found.items() if count > 1]


def _all(site: Site, resource_type: str) -> Iterator[dict[str, Any]]:
    url: str | None = f"{site.fhir}/{resource_type}?_elements=identifier&_count=500"
    with requests.Session() as session:
        session.trust_env = False
        while url:
            page = session.get(url, headers={"Cache-Control": "no-cache"}, timeout=60).json()
            yield from (entry["resource"] for entry in page.get("entry", ()))
            url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
