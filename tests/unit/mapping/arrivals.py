"""Instances of studies that arrive in any order."""

from indexer.model import Attributes, Instance
from tests.fakes.arrivals import Arrival
from tests.unit.mapping.studies import PATIENT, dataset

MR = "1.2.840.10008.5.1.4.1.1.4"
KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"


def arrivals(series_uid: str, sop_class: str, count: int = 1, **texts: str) -> list[Arrival]:
    """Instances of one series that state the same."""
    return [arrival(series_uid, sop_class, number, dataset(PATIENT | texts)) for number in range(1, count + 1)]


def arrival(series_uid: str, sop_class: str, number: int, sample: Attributes) -> Arrival:
    uid = f"{series_uid}.{sop_class[-3:].strip('.')}.{number}"
    return Arrival(series_uid, Instance(uid, sop_class, str(number)), sample)
