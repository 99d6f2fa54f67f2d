"""``python -m bench [NAME ...]``: run all benchmarks, or those named."""

from __future__ import annotations

import sys

from bench import giant, mapping, merging, naive, own_cost, own_profile, reading, start, throughput

BENCHMARKS = {
    "mapping": mapping.main,
    "merging": merging.main,
    "naive": naive.main,
    "reading": reading.main,
    "own-cost": own_cost.main,
    "own-profile": own_profile.main,
    "start": start.main,
    "throughput": throughput.main,
    "giant": giant.main,
}


def main(names: list[str]) -> int:
    """Run benchmarks one after the other."""
    unknown = sorted(set(names) - BENCHMARKS.keys())
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 64
    for name in names or BENCHMARKS:
        print(f"\n=== {name} ===", flush=True)
        BENCHMARKS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
