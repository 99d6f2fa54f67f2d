"""Each seam of the flow fits at least two implementations; that they behave alike is shown by the other suites here."""

import inspect
from typing import Any

import pytest

from indexer.dicomweb import DicomWebSamples
from indexer.fhir import FhirServer
from indexer.orthanc import OrthancFeed, OrthancSource
from indexer.orthanc.samples import FindSamples
from indexer.sync import protocols
from tests.fakes import listing, memory

Json = dict[str, Any]

SEAMS = [
    (protocols.ChangeFeed, OrthancFeed),
    (protocols.ChangeFeed, memory.MemorySource),
    (protocols.StudySource, OrthancSource),
    (protocols.StudySource, listing.ListedArchive),
    (protocols.AttributeSource, DicomWebSamples),
    (protocols.AttributeSource, FindSamples),
    (protocols.AttributeSource, listing.ListedArchive),
    (protocols.FhirTarget, FhirServer),
    (protocols.FhirTarget, memory.MemoryTarget),
]


def members(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_")]


@pytest.mark.parametrize(("protocol", "made"), SEAMS, ids=lambda one: one.__name__)
def test_an_implementation_has_every_member_with_its_parameters(protocol: type, made: type) -> None:
    for name in members(protocol):
        wanted = getattr(protocol, name)
        if callable(wanted):
            found = inspect.signature(getattr(made, name)).parameters
            assert [(one.name, one.default) for one in found.values()] == [
                (one.name, one.default) for one in inspect.signature(wanted).parameters.values()
            ], name
