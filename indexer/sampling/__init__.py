"""Which instances of a series speak for it, what is kept of their datasets, and whether these can be trusted."""

from __future__ import annotations

from indexer.sampling.choice import Speakers, slim, speakers
from indexer.sampling.doubt import is_doubtful, is_exact, without_texts

__all__ = ["Speakers", "is_doubtful", "is_exact", "slim", "speakers", "without_texts"]
