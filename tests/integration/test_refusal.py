"""One bad study never stops another."""

from indexer.strategies import imaging_study_id
from tests.proxy import Proxy, Recorded, spoil
from tests.samples import generate, store_rest
from tests.site import Site, uids


def test_one_of_a_hundred_is_refused(site: Site, proxy: Proxy) -> None:
    """HAPI cannot parse one study and refuses its Bundle whole: the other 99 arrive, and a replay heals the one."""
    hundred = generate(100, 1, 1, seed="refusal", patient_ids=[f"REFUSAL-{number}" for number in range(100)])
    store_rest(site.orthanc, hundred)
    refused, *others = uids(hundred)
    reference = f"ImagingStudy/{imaging_study_id(refused)}"

    def holds_it(request: Recorded) -> bool:
        return reference in [entry.url for entry in request.writes]

    proxy.inject(spoil(reference), times=None, when=holds_it)
    site.target["bundle"] = {"max_entries": 250, "target_time": "30s"}
    site.cli("backfill", expect=1)
    assert proxy.faults_injected > 1, "nothing was bisected"
    assert site.study(refused) is None
    assert all(site.study(uid) for uid in others)
    # How many share one depends on how much quicker the archive is than the server, so on how busy the machine is.
    assert max(len(bundle.writes) for bundle in proxy.bundles) > 10, "the studies did not share a Bundle"
    shown = site.cli("quarantine", "list").stdout
    assert refused in shown
    assert "HAPI-" in shown
    assert "REFUSAL-" not in shown, "diagnostics quote what was sent"

    proxy.clear()
    site.cli("quarantine", "replay", refused)
    site.cli("backfill", "--study", refused)
    assert site.study(refused) is not None
    assert "0 in quarantine" in site.cli("quarantine", "list").stdout
    assert site.verify()["equal"]
