"""The example of `docs/ownership.md` is what the merge does."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from indexer.errors import StudyInvalid
from indexer.merge import Conflict, Merged, merge

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "ownership.md").read_text()


def example() -> list[dict[str, Any]]:
    """The resources of the page in their order: before, theirs, ours, what is written."""
    return [orjson.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)]


def test_the_example_is_what_the_merge_does() -> None:
    before, theirs, ours, written = example()
    assert merge(before, ours, theirs, Conflict.QUARANTINE) == Merged(written, is_changed=True, is_shared=True)


def test_the_conflict_that_the_page_names() -> None:
    before, theirs, ours, _ = example()
    with pytest.raises(StudyInvalid, match=r"too: ImagingStudy\.description\.$") as raised:
        merge(before, ours, theirs | {"description": "Torso"}, Conflict.QUARANTINE)
    assert f"`{raised.value.cause}`" in PAGE


def test_the_page_names_every_policy() -> None:
    policies = re.findall(r"^\| `(\w+)` \| ", PAGE.partition("| `conflict` | what happens |")[2], flags=re.MULTILINE)
    assert policies == list(Conflict)
