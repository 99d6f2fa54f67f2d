"""Attributes of datasets, made from plain strings."""

from collections.abc import Mapping

from pydicom.datadict import dictionary_VR

from indexer.model import Attributes
from indexer.model.attributes import tag_of


def vr_of(keyword: str) -> str:
    """Value representation of a keyword (the first one where the dictionary allows several)."""
    return dictionary_VR(int(tag_of(keyword), 16)).split(" ", maxsplit=1)[0]


def from_keywords(values: Mapping[str, str]) -> Attributes:
    """Attributes by keyword, several values joined by a backslash."""
    return Attributes({tag_of(key): {"vr": vr_of(key), "Value": text.split("\\")} for key, text in values.items()})


def over(upper: Attributes, lower: Attributes) -> Attributes:
    """The upper attributes, and the lower ones where those have none."""
    return Attributes({**lower.json, **upper.json})
