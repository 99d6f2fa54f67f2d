"""The standard's tables, as tab-separated files in ``data/``."""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@functools.cache
def rows(name: str) -> tuple[tuple[str, ...], ...]:
    """Rows of the table ``data/<name>.tsv``, without its comments."""
    text = resources.files(__package__).joinpath("data", f"{name}.tsv").read_text(encoding="utf-8")
    return tuple(tuple(line.split("\t")) for line in text.splitlines() if line and not line.startswith("#"))


@functools.cache
def column(name: str, index: int = 1) -> Mapping[str, str]:
    """One column of a table by its first column; rows where that column is empty are left out."""
    return {row[0]: row[index] for row in rows(name) if len(row) > index and row[index]}
