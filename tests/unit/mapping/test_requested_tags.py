"""What is asked of a source is what the mapping reads: nothing is missing, and nothing is read in vain."""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from indexer import mapping
from indexer.errors import StudyError
from indexer.mapping import Element, Release
from indexer.model import Attributes, Study
from indexer.model.attributes import NOTHING, tag_of
from tests.golden.record import FOLDER, rules, thawed

OPTIONAL = sorted(frozenset(Element) - mapping.DEFAULT_ELEMENTS)
IDENTITY = {tag_of(keyword) for keyword in ("PatientID", "IssuerOfPatientID")}


@dataclass(frozen=True, slots=True)
class Recording(Attributes):
    """A dataset that keeps the keywords it is asked for."""

    keywords: set[str] = field(default_factory=set)

    def values(self, keyword: str) -> list[Any]:
        self.keywords.add(keyword)
        return Attributes.values(self, keyword)


def variants(study: Study, keywords: set[str]) -> Iterator[Study]:
    """A study as it is, without a database, and with datasets that say no more than who the patient is."""
    for has_database in (True, False):
        for is_bare in (True, False):
            series = tuple(
                replace(
                    one,
                    attributes=one.attributes if has_database else NOTHING,
                    sampled={
                        uid: Recording(bare(dataset) if is_bare else dataset.json, keywords)
                        for uid, dataset in one.sampled.items()
                    },
                )
                for one in study.series
            )
            yield replace(study, attributes=study.attributes if has_database else NOTHING, series=series)


def bare(dataset: Attributes) -> dict[str, Any]:
    """No more than who the patient is."""
    return {tag: element for tag, element in dataset.json.items() if tag in IDENTITY}


def read_keywords(elements: frozenset[Element], releases: Iterable[Release]) -> set[str]:
    """What is read of sampled datasets of all golden studies."""
    keywords: set[str] = set()
    for path in sorted(FOLDER.glob("*.json")):
        study = thawed(json.loads(path.read_text(encoding="utf-8"))["study"])
        for variant in variants(study, keywords):
            for release in releases:
                with suppress(StudyError):
                    mapping.map_study(variant, replace(rules(release), elements=elements))
    return keywords


def test_what_is_asked_for_is_what_is_read() -> None:
    every = frozenset(Element)
    assert read_keywords(every, [Release.R4, Release.R5, Release.R6]) == asked(every)


@pytest.mark.parametrize("element", [None, *OPTIONAL])
def test_what_is_read_with_one_more_element_is_asked_for(element: Element | None) -> None:
    elements = mapping.DEFAULT_ELEMENTS | ({element} if element else set())
    assert read_keywords(elements, [Release.R5]) <= asked(elements)


def test_persons_and_places_are_asked_for_only_where_they_are_wanted() -> None:
    assert not {"InstitutionName", "OperatorsName", "StudyComments"} & asked(mapping.DEFAULT_ELEMENTS)


def test_no_private_and_no_bulky_attribute_is_asked_for() -> None:
    keywords = asked(frozenset(Element))
    assert all(int(tag_of(keyword)[:4], 16) % 2 == 0 for keyword in keywords)
    assert not keywords & {"PixelData", "ContentSequence", "ROIContourSequence", "EncapsulatedDocument"}


def asked(elements: frozenset[Element]) -> frozenset[str]:
    """What the source is asked for under these elements."""
    return mapping.sampled_keywords(replace(rules(Release.R5), elements=elements))
