"""One bad study never stops another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.samples import generate, store_rest
from tests.site import uids

if TYPE_CHECKING:
    from tests.proxy import Proxy
    from tests.site import Site

pytestmark = pytest.mark.server


def test_one_of_a_hundred_is_refused(site_1_12: Site, proxy: Proxy) -> None:
    """HAPI refuses a study whose Patient somebody deleted: the other 99 arrive, and a replay heals the one."""
    site = site_1_12
    first = generate(1, 1, 1, seed="refusal-first", patient_ids=["REFUSAL-1"])
    store_rest(site.orthanc, first)
    site.cli("backfill")
    study = site.study(uids(first)[0])
    assert study is not None
    patient = site.fetch(study["subject"]["reference"])
    site.delete(f"ImagingStudy/{study['id']}")
    site.delete(f"Patient/{patient['id']}")

    hundred = generate(100, 1, 1, seed="refusal", patient_ids=["REFUSAL-1", *(f"REFUSAL-OK-{n}" for n in range(99))])
    store_rest(site.orthanc, hundred)
    site.target["bundle"] = {"max_entries": 250, "target_time": "30s"}
    site.cli("backfill", expect=1)
    refused, *others = uids(hundred)
    assert site.study(refused) is None
    assert all(site.study(uid) for uid in others)
    # How many share one depends on how much quicker the archive is than the server, so on how busy the machine is.
    assert max(len(bundle.writes) for bundle in proxy.bundles) > 10, "the studies did not share a Bundle"
    shown = site.cli("quarantine", "list").stdout
    assert refused in shown
    assert "HAPI-" in shown
    assert patient["id"] not in shown, "diagnostics quote what was sent"

    site.put({key: value for key, value in patient.items() if key != "meta"})
    site.cli("quarantine", "replay", refused)
    site.cli("backfill", "--study", uids(first)[0], "--force")
    assert site.study(refused) is not None
    assert "0 in quarantine" in site.cli("quarantine", "list").stdout
    assert site.verify()["equal"]
