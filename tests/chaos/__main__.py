"""``python -m tests.chaos kills|soak``: long campaigns, whose results are in ``docs/evidence``."""

import argparse
import sys
import uuid

from tests.chaos import kills, soak

CAMPAIGNS = {"kills": kills.run, "soak": soak.run}


def main() -> int:
    """Run a campaign; 1 if something was lost or doubled, or grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("campaign", choices=CAMPAIGNS)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", default=uuid.uuid4().hex[:8], help="the same seed strikes in the same order")
    parser.add_argument("--orthanc", default="1.12")
    parser.add_argument("--release", default="r4")
    options = parser.parse_args()
    is_good = CAMPAIGNS[options.campaign](options.minutes, options.seed, options.orthanc, options.release)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
