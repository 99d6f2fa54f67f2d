"""All of the program, imported, with short pauses between two looks: `tests.commands` forks its commands from here."""

import importlib
import pkgutil

import alembic.command  # noqa: F401
import rich.table  # noqa: F401

import indexer
from indexer.cli import backfill
from indexer.sync.drain import drain, source_workers

for module in pkgutil.walk_packages(indexer.__path__, "indexer."):
    if "__main__" not in module.name and ".migrations" not in module.name:  # these two do something
        importlib.import_module(module.name)

backfill.WATCH_S = drain.IDLE_S = source_workers.IDLE_S = 0.05
