"""A study's copy in the fake Orthanc, and answers that are changed on their way."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from indexer.model import StudyLocation
from indexer.orthanc import OrthancSource
from tests.fakes.orthanc import Reply


def only_copy(source: OrthancSource) -> StudyLocation:
    (location,) = source.list_locations()
    return location


def edited(edit: Callable[[Any], object]) -> Callable[[Reply], Reply]:
    """Change the JSON of an answer in place."""

    def change(reply: Reply) -> Reply:
        found = json.loads(reply.body)
        edit(found)
        return replace(reply, body=json.dumps(found).encode())

    return change
