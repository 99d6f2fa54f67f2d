"""How the tests are shared out to processes: what takes long first, what shares a server or a cache together."""

import re
from collections.abc import Iterable
from typing import Final

import pytest
from xdist.scheduler import LoadScopeScheduling

LONG: Final = (
    "tests/integration/test_releases.py",
    "tests/integration/test_validator.py",
    "tests/chaos/",
    "tests/integration/",
    "tests/contract/",
)
"""Where the long tests are, in the order in which they are begun: one that begins late keeps the others waiting."""
ALONE: Final = (
    "tests/chaos/",
    "tests/integration/test_faults.py",
    "tests/integration/test_golden.py",
    "tests/integration/test_main_job.py",
    "tests/integration/test_ownership",
    "tests/integration/test_patients",
)
"""Tests that share nothing but servers of the whole session, so that any process may take any of them."""
SERVER: Final = re.compile(r"(?P<hapi>hapi-r\d|\br\d[ab]?\b)|medplum|fake-like-\w+", re.IGNORECASE)
TOGETHER: Final = (
    "tests/contract/test_target.py",
    "tests/contract/test_write.py",
    "tests/integration/test_releases.py",
    "tests/integration/test_validator.py",
)
"""Files whose tests are kept together by the server that their parameters name; a HAPI of a release is one for all."""


def unit_of(nodeid: str) -> str:
    """What is given to one process as a whole: the tests of a file, if nothing else is known."""
    path, _, rest = nodeid.partition("::")
    if path.startswith(ALONE):
        return nodeid
    server = SERVER.search(rest.partition("[")[2]) if path in TOGETHER else None
    if server is None:
        return path
    return f"hapi-{server['hapi'].lower().removeprefix('hapi-')}" if server["hapi"] else f"{path}[{server[0]}]"


def rank(nodeid: str) -> int:
    """Place in `LONG`; what is in none of them comes last."""
    return next((number for number, folder in enumerate(LONG) if nodeid.startswith(folder)), len(LONG))


class LongFirst(LoadScopeScheduling):
    """Units in the order of `LONG`, each to the process that is free first."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        config.option.loadscopereorder = False  # it would begin with the files of the most tests, which are short
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def in_order(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Tests in the order in which they are begun."""
    return sorted(items, key=lambda item: rank(item.nodeid))
