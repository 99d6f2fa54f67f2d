"""A study as Orthanc holds it after its instances came in some order.

The first instance of the study names the study's row in the database, the first of each series that of the series; the
datasets that are read are those of instances which do not depend on the order.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from indexer.model import Attributes, Instance, Series, Study
from indexer.sampling import speakers

if TYPE_CHECKING:
    from collections.abc import Sequence

_CAP = 20


@dataclass(frozen=True, slots=True)
class Arrival:
    """One instance that was stored."""

    series_instance_uid: str
    instance: Instance
    dataset: Attributes


def arrived(arrivals: Sequence[Arrival]) -> Study:
    """The study as it is read when its instances have come in this order."""
    by_series: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        by_series[arrival.series_instance_uid].append(arrival)
    return Study(
        study_instance_uid="1.2.3",
        source="main",
        attributes=arrivals[0].dataset,
        series=tuple(_series(uid, of_series) for uid, of_series in by_series.items()),
        is_sampled=True,
    )


def _series(uid: str, arrivals: Sequence[Arrival]) -> Series:
    instances = tuple(arrival.instance for arrival in arrivals)
    series = Series(series_instance_uid=uid, attributes=arrivals[0].dataset, instances=instances)
    datasets = {arrival.instance.sop_instance_uid: arrival.dataset for arrival in arrivals}
    chosen = [instance.sop_instance_uid for instance in speakers(series, _CAP).first]
    return replace(series, sampled={uid: datasets[uid] for uid in chosen})
