"""Which attributes the mapping reads from the dataset of a single instance: no more than these are asked for.

`tests/unit/mapping/test_requested_tags.py` maps every golden study, and fails for one that is read and does not stand
in ``data/sampled.tsv``, and for one that stands there and is never read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexer.mapping.coding import rows

if TYPE_CHECKING:
    from indexer.mapping.rules import Rules


def sampled_keywords(rules: Rules) -> frozenset[str]:
    """Keywords of the attributes that are read from sampled datasets under these rules."""
    wanted = {"always", *rules.elements}
    return frozenset(keyword for keyword, elements in rows("sampled") if not wanted.isdisjoint(elements.split()))
