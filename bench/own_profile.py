"""Where the program's own time goes: a profile of all its threads during `own-cost`, by part of the program."""

from __future__ import annotations

import contextlib
import cProfile
import io
import pstats
import re
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final

import indexer.cli
from bench import null_fhir
from bench.null_archive import NullArchive, sizes
from bench.null_http import serving
from bench.own_cost import STUDIES, command

_PARTS: Final = (
    (
        re.compile(r"indexer/(orthanc|sampling|dicomweb|mapping|bundle|plan|merge|ledger|sync|transport|fhir|model)/"),
        None,
    ),
    (re.compile(r"sqlalchemy|sqlite"), "ledger"),
    (re.compile(r"requests/|urllib3/|http/|socket|urllib/"), "transport"),
)


def main() -> None:
    """Profile one ``backfill`` in this process; the start of a process is not part of it."""
    counts = sizes(STUDIES)
    profiles: list[cProfile.Profile] = []
    run = threading.Thread.run

    def profiled(thread: threading.Thread) -> None:
        profile = cProfile.Profile(time.thread_time)
        profiles.append(profile)
        with profile:
            run(thread)

    with (
        serving("json", lambda: NullArchive(counts)) as (orthanc, _),
        serving("fhir+json", lambda: null_fhir.answer) as (fhir, _),
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        contextlib.redirect_stdout(None),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        threading.Thread.run = profiled  # type: ignore[method-assign]
        begun_s = time.process_time()
        code = indexer.cli.main(command(Path(home), orthanc, fhir, {}))
        spent_s = time.process_time() - begun_s
        threading.Thread.run = run  # type: ignore[method-assign]
    if code:
        raise RuntimeError(f"backfill ended with {code}")
    shares = by_part(profiles)
    for part, seconds in shares.most_common():
        print(f"  {part:12} {100 * seconds / shares.total():5.1f} %")
    print(f"how: cProfile over {len(profiles)} threads, {spent_s:.1f} s of CPU with it, {sum(counts)} instances;")
    print("what a part spends in built-in functions counts as its own")


def by_part(profiles: list[cProfile.Profile]) -> Counter[str]:
    """Seconds of each part, those of built-in functions with whoever called them."""
    seconds: Counter[str] = Counter()
    for profile in profiles:
        for (path, _, _), (_, _, own_s, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
            if path == "~":
                for (caller, _, _), (_, _, called_s, _) in callers.items():
                    seconds[_part(caller)] += called_s
            else:
                seconds[_part(path)] += own_s
    return seconds


def _part(path: str) -> str:
    for pattern, name in _PARTS:
        if match := pattern.search(path):
            return name or match[1]
    return "others"
