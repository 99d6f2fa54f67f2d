"""Orthanc as a feed of changes and a source of studies, over its REST API; from 1.9.4 on, whatever its database."""

from __future__ import annotations

from indexer.orthanc.feed import OrthancFeed
from indexer.orthanc.source import OrthancSource

__all__ = ["OrthancFeed", "OrthancSource"]
