"""Runs in an environment of its own: the time that dicom2fhir needs for the studies on the standard input.

One JSON array of datasets (DICOM JSON Model) per line; prints the best time of each in seconds.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from typing import TYPE_CHECKING, Any

from dicom2fhir.dicom2fhir import from_generator

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

RUNS = 3


async def _each(datasets: list[dict[str, Any]]) -> AsyncGenerator[dict[str, Any], None]:
    for dataset in datasets:
        yield dataset


def _timed(datasets: list[dict[str, Any]]) -> float:
    start = time.perf_counter()
    bundle = asyncio.run(from_generator(_each(datasets), {"dicom_timezone": "UTC"}))
    bundle.model_dump_json()
    return time.perf_counter() - start


def main() -> None:
    """Time every study of the standard input."""
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        datasets = json.loads(line)
        print(min(_timed(datasets) for _ in range(RUNS)))


if __name__ == "__main__":
    main()
