"""The program's own source code, for tests of its rules."""

import ast
import functools
from pathlib import Path

import indexer

PACKAGE = Path(indexer.__file__).parent
ROOT = PACKAGE.parent


def python_files(*folders: str) -> list[Path]:
    """Every Python file below these folders of the repository."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(), str(path))))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
