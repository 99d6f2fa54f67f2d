"""Datasets whose texts an archive may have decoded wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.model import Attributes
from indexer.sampling.character_set import ENCODED, is_misread, terms_of
from indexer.sampling.legible import marked

if TYPE_CHECKING:
    from collections.abc import Mapping


def is_doubtful(dataset: Attributes) -> bool:
    """Whether texts of this dataset may not be those of the file, or some of it cannot be read."""
    return bool(dataset.undecoded) or is_misread(_terms(dataset))


def is_exact(of_file: Attributes) -> bool:
    """Whether a dataset that was read from its file says no less than the archive can.

    Texts without a character set are decoded by the archive as its site has configured it, which is not known here.
    """
    return not of_file.undecoded or of_file.text("SpecificCharacterSet") is not None


def without_texts(dataset: Attributes) -> Attributes:
    """A doubtful dataset whose file cannot be read: texts that may have lost characters are marked, nested ones too."""
    if not is_misread(_terms(dataset)):
        return dataset
    return Attributes(_without_texts(dataset.json))


def _without_texts(elements: Mapping[str, Any]) -> dict[str, Any]:
    return {tag: _undecoded(element) for tag, element in elements.items()}


def _undecoded(element: dict[str, Any]) -> dict[str, Any]:
    vr = element.get("vr")
    if vr == "SQ":
        items = element.get("Value") or ()
        return {**element, "Value": [_without_texts(item) for item in items if isinstance(item, dict)]}
    return marked(vr, "charset_unknown") if vr in ENCODED and "Value" in element else element


def _terms(dataset: Attributes) -> tuple[str, ...]:
    values = dataset.values("SpecificCharacterSet")
    return terms_of("\\".join("" if value is None else str(value) for value in values))
