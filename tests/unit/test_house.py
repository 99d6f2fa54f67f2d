"""Rules of the house that no linter knows."""

import ast
import dataclasses
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.datadict import dictionary_has_tag, keyword_dict

import indexer
from indexer import errors
from tests.unit.source_code import ROOT, name_of, nodes, python_files

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40

CATCH_ALL = {
    "indexer/sync/drain/guard.py": "the per-item guard: one bad study never stops another",
    "indexer/cli/__init__.py": "the last word: no traceback with patient data reaches the terminal",
}
"""The only places that catch what they do not know."""

GIVES_BACK = {
    "indexer/ledger/ledger.py": "closes the database when a ledger cannot be opened",
}
"""Places that catch everything only to give back what they hold, and raise it again."""

EMPTY_NAMES = frozenset({"utils", "helpers", "common", "manager", "base"})

NOT_DICOM = {
    "StudyLocation": {"source", "location_id"},
    "Instance": set(),
    "Series": {"attributes", "instances", "sampled"},
    "Study": {"source", "attributes", "series", "last_update", "is_sampled"},
}
"""Fields of the values that mirror DICOM which do not name a DICOM attribute."""


PROGRAM = python_files("indexer")
EVERYTHING = python_files("indexer", "tests", "bench", "scripts")


def test_no_file_is_long() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in EVERYTHING}
    assert {name: length for name, length in lengths.items() if length > MAX_FILE_LINES} == {}


def test_no_function_is_long() -> None:
    long = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in PROGRAM
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [name_of(path) for path in EVERYTHING if path.stem in EMPTY_NAMES] == []


def _catches_all(caught: ast.expr | None) -> bool:
    kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")) for kind in kinds
    )


def test_unknown_errors_are_caught_in_two_places_only() -> None:
    found = {
        name_of(path): [node for node in nodes(path) if isinstance(node, ast.ExceptHandler) and _catches_all(node.type)]
        for path in PROGRAM
    }
    swallowing = {
        name: len(some)
        for name, some in found.items()
        if some and not (name in GIVES_BACK and all(_raises_again(handler) for handler in some))
    }
    assert swallowing == dict.fromkeys(CATCH_ALL, 1)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def calls(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


SLEEPS = {"indexer/ledger/lock.py": "between two tries at a lock that was held for an instant"}
"""Elsewhere a wait can be ended: by an Event, a queue or a deadline."""


def test_nothing_is_printed_or_evaluated_and_nobody_sleeps() -> None:
    forbidden = {"print", "input", "breakpoint", "eval", "exec", "time.sleep", "sleep"}
    found = {(name_of(path), call) for path in PROGRAM for call in calls(path) if call in forbidden}
    assert found == {(name, "time.sleep") for name in SLEEPS}


# --- the model ------------------------------------------------------------------------------------------------------


def snake(keyword: str) -> str:
    """``SOPInstanceUID`` → ``sop_instance_uid``."""
    parted = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", keyword)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", parted).lower()


def test_keywords_become_names() -> None:
    assert snake("SOPInstanceUID") == "sop_instance_uid"
    assert snake("NumberOfFrames") == "number_of_frames"


@pytest.mark.parametrize("name", NOT_DICOM)
def test_fields_that_mirror_dicom_bear_its_keywords(name: str) -> None:
    keywords = {snake(keyword) for keyword, tag in keyword_dict.items() if dictionary_has_tag(tag)}
    fields = {one.name for one in dataclasses.fields(getattr(importlib.import_module("indexer.model"), name))}
    assert fields - NOT_DICOM[name] - keywords == set()
    assert NOT_DICOM[name] <= fields, "an exception that is not needed any more"


# --- errors ---------------------------------------------------------------------------------------------------------


def error_classes() -> list[type[errors.IndexerError]]:
    found = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, errors.IndexerError)]
    assert len(found) > 15
    return found


def drawn() -> dict[str, tuple[str | None, str]]:
    """Parent and line of each class in the tree that `errors` draws."""
    tree_lines: dict[str, tuple[str | None, str]] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^ {4}((?:[│ ] {2})*(?:[├└]─ )?)([A-Z][A-Za-z]+)\b", line)
        if found:
            depth = len(found[1])
            above = [one for one in above if one[0] < depth]
            tree_lines[found[2]] = (above[-1][1] if above else None, line)
            above.append((depth, found[2]))
    return tree_lines


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    parents = {one.__name__: one.__base__.__name__ if one.__base__ else None for one in error_classes()}
    parents["IndexerError"] = None
    assert {name: parent for name, (parent, _) in drawn().items()} == parents


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_hint_and_the_exit_code_that_is_drawn(kind: type[errors.IndexerError]) -> None:
    assert kind.default_hint
    assert kind.default_hint.endswith(".")
    said = re.search(r"exit (\d+)", drawn()[kind.__name__][1])
    if said:
        assert kind.exit_code == int(said[1])


def test_exit_codes_are_those_of_sysexits() -> None:
    assert {one.exit_code for one in error_classes()} <= {0, 1, 64, 69, 70, 75, 78}


# --- the release ----------------------------------------------------------------------------------------------------


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    newest = re.search(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == project["version"] == indexer.__version__
