"""Imports all of the program, also what a command would import when it begins: `tests.commands` forks from here."""

from __future__ import annotations

import importlib
import pkgutil

import alembic.command  # noqa: F401
import rich.table  # noqa: F401

import indexer
import tests.chaos.killer
import tests.commands  # noqa: F401

for module in pkgutil.walk_packages(indexer.__path__, "indexer."):
    if "__main__" not in module.name and ".migrations" not in module.name:  # these two do something
        importlib.import_module(module.name)
