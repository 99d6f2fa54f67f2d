"""What Orthanc spends on each kind of request, in an archive that grows: the reason behind the ways we read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
import psutil

from bench import throughput
from bench.rig import at_once, servers
from indexer import mapping
from indexer.dicomweb import DicomWebSamples
from indexer.mapping import Rules
from indexer.orthanc import OrthancSource
from indexer.transport import Transport
from tests.contract.source_cases import Counting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.servers.orthanc import Orthanc

SHARES = (0.1, 0.4, 1.0)
SERIES = 64
RULES = Rules(site_key=b"bench", patient_id_system="urn:oid:2.25.99")

Ids = dict[str, str]
T = TypeVar("T")


def main() -> None:
    """Fill Orthanc step by step with the studies of `throughput`, and measure after each."""
    with servers() as (orthanc, _, _):
        done = 0.0
        for share in SHARES:
            throughput.store(orthanc, done, share)
            done = share
            measure(orthanc)
    print(f"how: CPU time of the Orthanc process, user and system, per request; mean over {SERIES} series or studies")


def measure(orthanc: Orthanc) -> None:
    """Print the cost of each kind of request."""
    server = psutil.Process(orthanc.pid)
    transport = Transport(orthanc.url, peer="orthanc")
    chosen = series_of(transport)
    for title, ask in requests(transport).items():
        print(f"  {title:48} {cost_ms(server, ask, chosen):6.1f} ms", flush=True)
    source = OrthancSource(transport, "main")
    locations = list(source.list_locations())[:SERIES]
    together = at_once(locations)
    print(f"  {'a study read alone':48} {cost_ms(server, source.read, locations):6.1f} ms")
    each_ms = cost_ms(server, source.read_batch, together) * len(together) / len(locations)
    print(f"  {'a study read with 31 others':48} {each_ms:6.1f} ms", flush=True)
    over_dicomweb = DicomWebSamples(Transport(orthanc.dicomweb_url, peer="dicomweb"))
    keywords = mapping.sampled_keywords(RULES)
    by_find = source.samples(keywords, over_dicomweb, 20)
    studies = list(source.read_batch(locations).values())
    for title, samples in (("over DICOMweb", over_dicomweb), ("by tools/find", by_find)):
        print(f"  {f'datasets of a study, {title}':48} {cost_ms(server, samples.sample, studies):6.1f} ms", flush=True)
    each_ms = cost_ms(server, by_find.sample_batch, [studies]) / len(studies)
    print(f"  {f'datasets of a study, with {len(studies) - 1} others':48} {each_ms:6.1f} ms", flush=True)
    count_requests(orthanc)


def count_requests(orthanc: Orthanc) -> None:
    """Print how many requests reading the archive takes."""
    rest, dicomweb = Counting(orthanc.url, peer="orthanc"), Counting(orthanc.dicomweb_url, peer="dicomweb")
    source, keywords = OrthancSource(rest, "main"), mapping.sampled_keywords(RULES)
    samples = source.samples(keywords, DicomWebSamples(dicomweb, files=source.file_heads(keywords)), 20)
    locations = list(source.list_locations())
    rest.paths.clear()
    for batch in at_once(locations):
        samples.sample_batch(list(source.read_batch(batch).values()))
    kinds = Counter(path if path.startswith("/tools") else path.split("/")[1] for path in rest.paths)
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    print(f"  requests for all {len(locations)} studies: {counts}, {len(dicomweb.paths)} over DICOMweb", flush=True)


def series_of(transport: Transport) -> list[Ids]:
    """One instance of some series, with all its ids, from all over the archive."""
    source = OrthancSource(transport, "main")
    locations = list(source.list_locations())
    found = []
    for location in locations[:: max(1, len(locations) // SERIES)][:SERIES]:
        series = transport.request("GET", f"/studies/{location.location_id}/series").json()[0]
        instance = transport.request("GET", f"/instances/{series['Instances'][0]}").json()
        uids = [series["MainDicomTags"]["SeriesInstanceUID"], instance["MainDicomTags"]["SOPInstanceUID"]]
        path = f"/dicom-web/studies/{location.study_instance_uid}/series/{uids[0]}"
        found.append(
            {
                "study": location.location_id,
                "series": series["ID"],
                "series metadata": f"{path}/metadata",
                "instance metadata": f"{path}/instances/{uids[1]}/metadata",
            }
        )
    return found


def requests(transport: Transport) -> dict[str, Callable[[Ids], object]]:
    """The kinds of requests that a read may be made of."""

    def get(path: str) -> object:
        return transport.request("GET", path, headers={"Accept": "application/dicom+json, application/json"})

    def post(path: str, **asked: Any) -> object:
        return transport.request("POST", path, body=orjson.dumps({**asked, "Short": True}))

    def find(level: str, ids: Ids, *content: str) -> object:
        return post("/tools/find", Level=level, Query={}, ParentStudy=ids["study"], ResponseContent=content)

    return {
        "GET /studies/{id}": lambda ids: get(f"/studies/{ids['study']}"),
        "tools/find, instances of a study": lambda ids: find("Instance", ids, "Parent", "MainDicomTags", "Metadata"),
        "tools/find, series of a study": lambda ids: find("Series", ids, "Children", "MainDicomTags", "Metadata"),
        "GET /series/{id}": lambda ids: get(f"/series/{ids['series']}"),
        "tools/bulk-content, study and one series": lambda ids: post(
            "/tools/bulk-content", Resources=[ids["study"], ids["series"]], Metadata=True
        ),
        "DICOMweb metadata of an instance": lambda ids: get(ids["instance metadata"]),
        "DICOMweb metadata of its series, from the cache": lambda ids: get(ids["series metadata"]),
    }


def cost_ms(server: psutil.Process, ask: Callable[[T], object], chosen: Sequence[T]) -> float:
    """CPU time that Orthanc spends on each, once its caches are filled."""
    for one in chosen:
        ask(one)
    before = server.cpu_times()
    for one in chosen:
        ask(one)
    after = server.cpu_times()
    return 1000 * (after.user + after.system - before.user - before.system) / len(chosen)
