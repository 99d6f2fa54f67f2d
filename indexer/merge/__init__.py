"""What others wrote stays: the three-way merge of FHIR resources. Pure; `docs/ownership.md` tells its rules."""

from __future__ import annotations

from indexer.merge.resource import Merged, last_written, merge, pack, unpack
from indexer.model.choices import Conflict

__all__ = ["Conflict", "Merged", "last_written", "merge", "pack", "unpack"]
