"""What others wrote stays: the three-way merge of FHIR resources. Pure; `docs/ownership.md` tells its rules."""

from __future__ import annotations

from indexer.merge.memory import last_written, pack, unpack
from indexer.merge.resource import Merged, merge
from indexer.model.choices import Conflict

__all__ = ["Conflict", "Merged", "last_written", "merge", "pack", "unpack"]
