"""Configuration: one YAML file, checked as a whole, with every mistake named by its line.

``load`` reads a file, ``from_urls`` builds the configuration of a first try without one, ``example`` and
``json_schema`` print what may stand in it.
"""

from __future__ import annotations

from indexer.config.example import example, json_schema, key_table
from indexer.config.load import Loaded, from_urls, load
from indexer.config.model import Access, Config, Source, Target
from indexer.config.secrets import read_secret

__all__ = [
    "Access",
    "Config",
    "Loaded",
    "Source",
    "Target",
    "example",
    "from_urls",
    "json_schema",
    "key_table",
    "load",
    "read_secret",
]
