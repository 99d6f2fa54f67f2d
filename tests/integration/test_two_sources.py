"""Two real Orthancs, one of which is killed while its studies are due: the other one does not notice."""

import json
import time
from pathlib import Path
from typing import Any

from tests.samples import generate, store_rest
from tests.servers.hapi import Hapi
from tests.servers.orthanc import Orthanc
from tests.site import Site, uids, wait_for

DUE = 22


def source(name: str, orthanc: Orthanc) -> dict[str, Any]:
    return {
        "name": name,
        "orthanc": orthanc.url,
        "dicomweb": f"http://{name}.example/dicom-web",
        "patient_id_system": f"urn:oid:2.25.99.{len(name)}",
        "stable_age": "1s",
        "feed": {"interval": "200ms"},
    }


def test_a_source_that_is_killed_with_studies_due_delays_no_other(
    tmp_path: Path, orthanc_1_12: Orthanc, hapi_r4: Hapi
) -> None:
    lost = generate(DUE, 1, 2, seed="two-sources-lost")
    kept = generate(1, 1, 2, seed="two-sources-kept")
    with Orthanc("1.12", stable_age_s=600) as dying:
        site = Site(
            home=tmp_path,
            orthanc=orthanc_1_12,
            fhir=hapi_r4.url,
            target={"retry": {"initial": "1s", "max": "5m"}},
            top={
                "sources": [source("dying", dying), source("main", orthanc_1_12)],
                "settle": {"quiet": "15s", "margin": "1s", "max_wait": "10m"},
            },
        )

        def of(name: str) -> dict[str, Any]:
            report = json.loads(site.cli("status", "--json", expect=None).stdout)
            return {one["source"]: one for one in report["sources"]}[name]

        with site.daemon():
            for datasets in (lost[: len(lost) // 2], lost[len(lost) // 2 :]):  # so that every reader meets the outage
                before = of("dying")["dirty"]
                store_rest(dying, datasets)
                wait_for(lambda: of("dying")["dirty"] == before + DUE // 2, "the studies to be noted")  # noqa: B023
            dying.kill()
            wait_for(lambda: "source_unavailable" in of("dying")["waiting"], "the outage to be met")
            begun = time.monotonic()
            store_rest(orthanc_1_12, kept)
            wait_for(lambda: site.study(uids(kept)[0]), "the study of the source that is well", deadline_s=150)
            print(f"published {time.monotonic() - begun:.1f} s after it was stored")
            state = of("dying")
        told = [json.loads(line) for line in site.log().splitlines()]
        events = [(one["event"], one.get("source")) for one in told if one.get("event", "").startswith("peer_")]
    assert (state["dirty"], state["published"]) == (DUE, 0)
    assert events == [("peer_lost", "dying")]
