"""Datasets whose texts an archive may have decoded wrongly."""

from __future__ import annotations

from typing import Final

from indexer.model import Attributes
from indexer.sampling.character_set import is_misread, terms_of

_TEXTS: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})


def is_doubtful(dataset: Attributes) -> bool:
    """Whether texts of this dataset may not be those of the file, or some of it cannot be read."""
    return bool(dataset.undecoded) or is_misread(_terms(dataset))


def without_texts(dataset: Attributes) -> Attributes:
    """A doubtful dataset whose file cannot be read: texts that may have lost characters are marked as undecoded."""
    if not is_misread(_terms(dataset)):
        return dataset
    return Attributes({tag: _undecoded(element) for tag, element in dataset.json.items()})


def _undecoded(element: dict[str, object]) -> dict[str, object]:
    vr = element.get("vr")
    return {"vr": vr, "undecoded": True} if vr in _TEXTS and "Value" in element else element


def _terms(dataset: Attributes) -> tuple[str, ...]:
    values = dataset.values("SpecificCharacterSet")
    return terms_of("\\".join("" if value is None else str(value) for value in values))
