"""Arrows point down only: who may import whom, read from the source."""

import ast
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

from tests.unit.source_code import PACKAGE, name_of, nodes, python_files

PURE = frozenset({"schedule", "difference", "equality", "bundle", "mapping", "merge", "sampling", "plan", "strategies"})
PURE_PARTS = frozenset(
    {"batched.py", "capacity.py", "halving.py", "http_status.py", "orthanc/position.py", "visible.py"}
)
"""Pure modules outside of the pure layers."""

SOURCES = frozenset({"orthanc", "dicomweb"})

MAY_IMPORT: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "batched": frozenset(),
    "http_status": frozenset(),
    "equality": frozenset(),
    "halving": frozenset({"errors"}),
    "capacity": frozenset({"errors"}),
    "model": frozenset({"errors"}),
    **dict.fromkeys(PURE - {"equality", "plan", "strategies"}, frozenset({"errors", "model"})),
    **dict.fromkeys(("difference", "merge"), frozenset({"errors", "model", "equality"})),
    "bundle": frozenset({"errors", "model", "http_status"}),
    "plan": frozenset({"errors", "model", "mapping"}),
    "strategies": frozenset({"errors", "model", "plan"}),
    "visible": frozenset(),
    "log": frozenset({"errors", "visible"}),
    "config": frozenset({"errors", "model"}),
    "thread_group": frozenset({"errors"}),
    "health": frozenset({"errors", "log", "model", "capacity"}),
    "transport": frozenset({"errors", "http_status"}),
    **dict.fromkeys(SOURCES, frozenset({"errors", "batched", "model", "transport", "sampling"})),
    # The one reading of a status of a FHIR entry stands in `bundle`; what it means is no matter of HTTP.
    "fhir": frozenset({"errors", "batched", "halving", "model", "transport", "bundle"}),
    "ledger": frozenset({"errors", "model", "log"}),
    "sync": frozenset({"errors", "batched", "equality", "halving", "model", "log", "thread_group", "health", "ledger"})
    | (PURE - {"strategies"}),
    "service": frozenset({"errors", "log", "thread_group", "health", "sync"}),
}
"""By first name below `indexer`; `cli` may import all."""

LEDGER = "indexer.ledger.Ledger"
"""The flow knows the ledger by its class; there is only this one."""

FROM_BUNDLE = frozenset({"EntryStatus", "is_throttled", "judge"})
"""All that the FHIR edge may take of `bundle`."""

IMPURE = (
    {"asyncio", "multiprocessing", "queue", "signal", "subprocess", "threading"}
    | {"builtins.open", "os", "pathlib", "shutil", "sqlalchemy", "sqlite3", "sys", "tempfile"}
    | {"http", "requests", "socket", "urllib.request", "urllib3"}
    | {"logging", "random", "secrets", "time"}
)
CLOCKS = frozenset({"now", "utcnow", "today", "fromtimestamp"})

ONLY_IN: dict[str, Collection[str]] = {
    **dict.fromkeys(("requests", "urllib3"), ("transport",)),
    **dict.fromkeys(("sqlalchemy", "alembic", "sqlite3", "psycopg"), ("ledger",)),
    **dict.fromkeys(("typer", "click", "rich"), ("cli",)),
    **dict.fromkeys(("pynetdicom", "fhirclient"), ()),
    "tenacity": ("health", "ledger"),
    "yaml": ("config",),
    "pydantic": ("config", "cli"),
    "pydantic_core": ("config",),
    "pydicom": ("model", "mapping", "orthanc", "sampling"),
}

MODULES = python_files("indexer")


def layer(path: Path) -> str:
    """First name below `indexer`: a package or a module."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every imported name with its line, dotted; those for type checkers as well."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports in full"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def place(path: Path, line: int) -> str:
    return f"{name_of(path)}:{line}"


def is_at_the_top(path: Path) -> bool:
    return layer(path) in ("cli", "__main__", "__init__")


def test_every_package_has_its_layer() -> None:
    known = MAY_IMPORT.keys() | {"cli", "__main__", "__init__"}
    assert {layer(path) for path in MODULES} - known == set(), "say in MAY_IMPORT what it may import"


def test_every_layer_exists() -> None:
    assert MAY_IMPORT.keys() - {layer(path) for path in MODULES} == set()


def test_arrows_point_down() -> None:
    order = list(MAY_IMPORT)
    for name, below in MAY_IMPORT.items():
        assert all(order.index(one) < order.index(name) for one in below), name


def test_a_module_imports_its_own_package_and_what_lies_below() -> None:
    wrong = [
        f"{place(path, line)} imports {name}"
        for path in MODULES
        if not is_at_the_top(path)
        for name, line in imports(path)
        if name.startswith("indexer.")
        and name.split(".")[1] not in MAY_IMPORT[layer(path)] | {layer(path), "__version__"}
    ]
    assert wrong == []


def test_the_fhir_edge_takes_no_more_of_bundle_than_the_reading_of_a_status() -> None:
    taken = {
        name.rpartition(".")[2]
        for path in MODULES
        if layer(path) == "fhir"
        for name, _ in imports(path)
        if name.startswith("indexer.bundle")
    }
    assert taken == FROM_BUNDLE


def test_foreign_libraries_stay_in_their_places() -> None:
    wrong = [
        f"{place(path, line)} imports {name}"
        for path in MODULES
        for name, line in imports(path)
        if layer(path) not in ONLY_IN.get(name.split(".")[0], {layer(path)})
    ]
    assert wrong == []


def test_every_library_is_declared_with_its_place() -> None:
    """A new dependency has to be placed on purpose."""
    foreign = defaultdict(set)
    for path in MODULES:
        for name, line in imports(path):
            first = name.split(".")[0]
            if first not in sys.stdlib_module_names | {"indexer", "orjson"}:
                foreign[first].add(place(path, line))
    assert foreign.keys() <= ONLY_IN.keys(), foreign


def test_pure_modules_do_no_io_and_read_no_clock() -> None:
    wrong = []
    for path in MODULES:
        if layer(path) in PURE or path.relative_to(PACKAGE).as_posix() in PURE_PARTS:
            wrong += [f"{place(path, line)} imports {name}" for name, line in imports(path) if _is_impure(name)]
            wrong += [place(path, node.lineno) for node in nodes(path) if _is_input_or_clock(node, path)]
    assert wrong == []


def _is_impure(name: str) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:length]) in IMPURE for length in range(1, len(parts) + 1))


def _is_input_or_clock(node: ast.AST, path: Path) -> bool:
    """`schedule` makes text of an epoch time that it is given: no clock is read for that."""
    if isinstance(node, ast.Attribute):
        return node.attr in CLOCKS - ({"fromtimestamp"} if path.name == "schedule.py" else set())
    return isinstance(node, ast.Call) and ast.unparse(node.func) in {"open", "print", "input"}


def test_only_the_command_line_builds_edges() -> None:
    edges = SOURCES | {"fhir", "ledger", "transport"}
    for path in MODULES:
        for name, line in imports(path):
            parts = name.split(".")
            is_edge = parts[0] == "indexer" and len(parts) > 1 and parts[1] in edges
            if is_edge and name != LEDGER and layer(path) not in edges:
                assert layer(path) == "cli", place(path, line)
