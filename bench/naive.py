"""One study of 500 instances: our one write beside the naive writer's one update per instance."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import requests

from bench.rig import Stopwatch, servers
from tests.proxy import Proxy
from tests.samples import generate, store_rest
from tests.site import Site, uids

INSTANCES = 500


def main() -> None:
    """Print wall time and versions of both writers."""
    with servers() as (orthanc, hapi, home), Proxy(hapi.url, keep_bodies=False) as proxy:
        datasets = generate(series=5, instances=INSTANCES // 5, seed="naive")
        store_rest(orthanc, datasets)
        site = Site(home=home, orthanc=orthanc, fhir=proxy.url)
        with Stopwatch() as ours:
            site.cli("backfill")
        study = site.study(uids(datasets)[0])
        assert study is not None
        print(f"indexer: {ours.seconds:.1f} s with process start, {proxy.written()['ImagingStudy']} write, ", end="")
        print(f"version {study['meta']['versionId']}")
        with Stopwatch() as naive:
            version = naive_writer(hapi.url, study)
        print(f"naive:   {naive.seconds:.1f} s, {INSTANCES} writes, version {version}")
        print(
            f"how: the naive writer PUTs the growing resource once per instance ({INSTANCES} requests, one connection)"
        )


def naive_writer(base: str, study: dict[str, Any]) -> str:
    """Write a study as one that heeds every instance alone would; the last version."""
    pairs = [(series, instance) for series in study["series"] for instance in series["instance"]]
    grown: dict[str, Any] = {key: value for key, value in study.items() if key not in ("meta", "series", "identifier")}
    grown |= {"id": "naive-writer", "series": []}
    version = ""
    with requests.Session() as session:
        for (before, _), (series, instance) in pairwise([(None, None), *pairs]):
            if series is not before:
                grown["series"].append({**series, "instance": []})
            grown["series"][-1]["instance"].append(instance)
            answer = session.put(f"{base}/ImagingStudy/naive-writer", json=grown, timeout=60)
            answer.raise_for_status()
            version = answer.json()["meta"]["versionId"]
    return version
