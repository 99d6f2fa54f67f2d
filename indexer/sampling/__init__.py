"""Which instances of a series speak for it, and what is kept of their datasets."""

from __future__ import annotations

from indexer.sampling.choice import Speakers, slim, speakers

__all__ = ["Speakers", "slim", "speakers"]
