"""The documentation says what the program does: commands, options, codes, events, causes, names and links."""

import ast
import pkgutil
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import indexer
from indexer import errors, log
from indexer.bundle import EntryStatus, judge
from indexer.cli import app
from indexer.cli.compose import RELEASES
from indexer.cli.options import EXIT_CODES
from indexer.mapping import Release
from indexer.model import EntryResult
from tests.unit.source_code import ROOT, name_of, nodes, python_files
from tests.unit.test_layers import MAY_IMPORT

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
README = (ROOT / "README.md").read_text()

MAX_README_LINES = 200

# Put together here, so that this file does not hold them.
FORBIDDEN = ("/" + "work/", "../" + "shared", "shared/" + "reference")


# --- what the program has ---------------------------------------------------------------------------------------------


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its name as it is typed."""
    command = command or typer.main.get_command(app)
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(path), command
        return
    for name, one in below.items():
        yield from commands(one, (*path, name))


COMMANDS = dict(commands())


def options(name: str) -> set[str]:
    return {text for one in COMMANDS[name].params for text in one.opts if text.startswith("--")}


def functions(folder: str = "indexer") -> list[ast.FunctionDef]:
    return [node for path in python_files(folder) for node in nodes(path) if isinstance(node, ast.FunctionDef)]


def exit_codes() -> set[int]:
    """By the errors, by ``--help``, and by the numbers that functions of the command line return."""
    raised = {one.exit_code for one in vars(errors).values() if isinstance(one, type) and hasattr(one, "exit_code")}
    told = {int(code) for code in re.findall(r"\b\d+\b", EXIT_CODES)}
    returned = {
        code
        for function in functions("indexer/cli")
        if ast.unparse(function.returns or ast.Constant(None)) == "int"
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and node.value is not None
        for code in _numbers(node.value)
    }
    return raised | told | returned


def _numbers(value: ast.expr) -> list[int]:
    if isinstance(value, ast.IfExp):
        return _numbers(value.body) + _numbers(value.orelse)
    return [value.value] if isinstance(value, ast.Constant) and isinstance(value.value, int) else []


def causes() -> set[str]:
    """Every short word for a study that is not published: written out in the code, or judged from an answer."""
    written = {
        node.value
        for path in python_files("indexer")
        for call in nodes(path)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "cause"
        for node in ast.walk(keyword.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    verdicts = [judge(EntryResult(status=status, version_id=None, outcome=None)) for status in range(200, 600)]
    judged = {one.cause or str(one.entry_status) for one in verdicts if one.entry_status is not EntryStatus.ACCEPTED}
    return (written | judged) - {""}


def events() -> dict[log.Event, set[str]]:
    """Every event that is written, with the levels that it is written at."""
    found: dict[log.Event, set[str]] = {}
    for function in functions():
        for event, level in _records(function):
            found.setdefault(event, set()).add(level)
    return found


def _is_named(node: ast.AST, name: str) -> bool:
    """Whether this is an attribute of that name, as in ``_log.info``."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name


def _records(function: ast.FunctionDef) -> Iterator[tuple[log.Event, str]]:
    """Records of a function; their facts stand in the call or right above it."""
    inside = list(ast.walk(function))
    named = [(node.lineno, log.Event[node.attr]) for node in inside if _is_named(node, "Event")]
    for call in inside:
        if isinstance(call, ast.Call) and _is_named(call.func, "_log"):
            above = [one for one in named if one[0] <= (call.end_lineno or 0)]
            if above:
                yield max(above)[1], call.func.attr
        elif isinstance(call, ast.Call) and _is_named(call.func, "logging") and call.func.attr == "makeLogRecord":
            yield named[-1][1], "warning"


def facts() -> tuple[set[str], set[str]]:
    """Keys of the records that say their event, and of every dict in a module that logs."""
    dicts = [
        {key.value for key in node.keys if isinstance(key, ast.Constant)}
        for path in python_files("indexer")
        if any(_is_named(node, "_log") for node in nodes(path))
        for node in nodes(path)
        if isinstance(node, ast.Dict)
    ]
    return set().union(*(keys for keys in dicts if "event" in keys)), set().union(*dicts)


# --- what the documentation says --------------------------------------------------------------------------------------


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level = heading.split(" ")[0]
    assert f"\n{heading}\n" in text, f"no heading {heading!r}"
    return re.split(rf"\n#{{1,{len(level)}}} ", text.split(f"\n{heading}\n", maxsplit=1)[1])[0]


def first_cells(text: str) -> list[str]:
    """First cell of each row of the tables in a text, as far as it is code."""
    return re.findall(r"^\| `([^`]+)`", text, flags=re.MULTILINE)


def options_in(heading: str) -> set[str]:
    """Options that the table below a heading of operations.md describes."""
    return {cell.split(" ")[0] for cell in first_cells(section(OPERATIONS, heading)) if cell.startswith("--")}


def tracked(*patterns: str) -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout: which files belong to the project is not known")
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def prose() -> list[tuple[Path, str]]:
    return [(file, file.read_text()) for file in tracked("*.md")]


def slug(heading: str) -> str:
    """Anchor of a heading, as forges make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(file: Path) -> set[str]:
    return {slug(title) for title in re.findall(r"^#+ (.+)$", file.read_text(), flags=re.MULTILINE)}


# --- operations.md ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_described(name: str) -> None:
    described = options_in(f"### `{name}`") | options_in("### Common options")
    assert options(name) <= described


def test_no_command_or_option_is_described_that_does_not_exist() -> None:
    described = re.findall(r"^### `([^`]+)`$", section(OPERATIONS, "## Commands"), flags=re.MULTILINE)
    assert set(described) == set(COMMANDS)
    for name in described:
        assert options_in(f"### `{name}`") <= options(name)
    assert options_in("### Common options") <= {"--help", "--version"}.union(*map(options, COMMANDS))


def test_every_exit_code_is_described_and_no_other() -> None:
    told = {int(code) for code in first_cells(section(OPERATIONS, "## Exit codes"))}
    assert told == exit_codes()
    assert {0, 1, 64, 69, 70, 75, 78} <= told


def test_every_log_event_is_described_and_no_other() -> None:
    told = first_cells(section(OPERATIONS, "## Log events"))
    assert sorted(told) == sorted(log.Event)


def test_every_log_event_is_written_as_described() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| ([a-z, ]+) \|", section(OPERATIONS, "## Log events"), flags=re.MULTILINE)
    assert {log.Event(name): set(levels.split(", ")) for name, levels in rows} == events()


def test_every_key_of_a_record_is_let_through_and_every_key_that_is_let_through_is_used_and_documented() -> None:
    told, near = facts()
    assert told <= log.ALLOWED <= near
    described = set(re.findall(r"`(\w+)`", section(OPERATIONS, "## Log events")))
    assert described >= log.ALLOWED


def test_every_cause_is_described_and_no_other() -> None:
    told = [*first_cells(section(OPERATIONS, "### In quarantine")), *first_cells(section(OPERATIONS, "### Waiting"))]
    assert set(told) == causes()
    assert {"no_patient_id", "issuer_unread", "invalid", "too_large", "conflict"} <= set(told)


# --- CONTRIBUTING.md, README.md, CHANGELOG.md -------------------------------------------------------------------------


def test_the_layers_are_described_as_they_are_checked() -> None:
    layers = section((ROOT / "CONTRIBUTING.md").read_text(), "## The layers")
    rows = re.findall(r"^\| `(\w+)` \| \w+ \| (.*) \|$", layers, flags=re.MULTILINE)
    told = {part: frozenset(re.findall(r"`(\w+)`", below)) for part, below in rows}
    assert told.pop("cli") == frozenset()
    assert told == MAY_IMPORT


def test_readme_is_short_and_names_every_command_and_no_other() -> None:
    assert len(README.splitlines()) <= MAX_README_LINES
    told = [cell.split(" ", maxsplit=1) for cell in first_cells(section(README, "## Commands"))]
    names = {name for name, *_ in told}
    assert names == {name.split(" ")[0] for name in COMMANDS}


def test_readme_names_the_releases_that_are_written_and_the_ballot_as_a_limit() -> None:
    told = set(re.findall(r"\bR\d\w?\b", section(README, "## Set it up")))
    assert told | {"R6"} == set(RELEASES.values()) == set(Release)
    assert "**FHIR R6**" in section(README, "## Limits")


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    told = {name for _, text in prose() for name in re.findall(r"`(?:[A-Z]+=\S+ )?make ([a-z]+)", text)}
    assert {"demo", "test"} <= told <= targets


def test_changelog_knows_the_version() -> None:
    assert f"\n## [{indexer.__version__}] - " in (ROOT / "CHANGELOG.md").read_text()


# --- every page -------------------------------------------------------------------------------------------------------


def test_relative_links_resolve() -> None:
    broken = [
        f"{name_of(file)}: {target}"
        for file, text in prose()
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL))
        if not re.match(r"[a-z]+:", target) and not _resolves(file, target)
    ]
    assert not broken


def _resolves(file: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    there = (file.parent / path).resolve() if path else file
    return there.exists() and (not anchor or anchor in anchors(there))


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {file.name for file in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert set(re.findall(r"^\| \[([\w.-]+)\]\(\1\)", index, flags=re.MULTILINE)) == pages


def test_named_paths_exist() -> None:
    wanted = re.compile(r"`((?:indexer|tests|scripts|docs|config|systemd|bench|requirements)/[\w./-]*)`")
    missing = [
        f"{name_of(file)}: {path}"
        for file, text in prose()
        for path in wanted.findall(text)
        if not (ROOT / path).exists()
    ]
    assert not missing


def test_named_code_exists() -> None:
    missing = []
    for file, text in prose():
        for name in re.findall(r"`(indexer(?:\.\w+)+)", text):
            try:
                pkgutil.resolve_name(name)
            except (ImportError, AttributeError):
                missing.append(f"{name_of(file)}: {name}")
    assert not missing


def test_the_tree_of_the_house_is_complete() -> None:
    tree = section((ROOT / "docs" / "architecture.md").read_text(), "## The house")
    parts = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in (ROOT / "indexer").iterdir()
        if not path.name.startswith("_") and (path.suffix == ".py" or (path / "__init__.py").exists())
    }
    assert set(first_cells(tree)) == parts


def test_the_project_stands_on_its_own() -> None:
    assert not [(name_of(file), text) for file in tracked() for text in FORBIDDEN if text.encode() in file.read_bytes()]
