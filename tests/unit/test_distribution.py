from pathlib import Path

import pytest

from tests.distribution import ALONE, LONG, TOGETHER, rank, unit_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("nodeid", "unit"),
    [
        ("tests/unit/test_schedule.py::test_hole[a-b]", "tests/unit/test_schedule.py"),
        ("tests/chaos/test_kills.py::test_kill[x]", "tests/chaos/test_kills.py::test_kill[x]"),
        ("tests/contract/test_target.py::test_info[hapi-r5]", "hapi-r5"),
        ("tests/contract/test_target.py::test_x[transaction-hapi-r4]", "hapi-r4"),
        ("tests/contract/test_target.py::test_x[b-fake-like-hapi]", "tests/contract/test_target.py[fake-like-hapi]"),
        ("tests/contract/test_target.py::test_hapi", "tests/contract/test_target.py"),
        ("tests/integration/test_validator.py::test_x[R4B]", "hapi-r4b"),
        ("tests/integration/test_validator.py::test_x[letters in a UID-R4]", "hapi-r4"),
        ("tests/integration/test_releases.py::test_x[r4b-4.3]", "hapi-r4b"),
        ("tests/integration/test_releases.py::test_preset", "tests/integration/test_releases.py"),
    ],
)
def test_what_stays_together(nodeid: str, unit: str) -> None:
    assert unit_of(nodeid) == unit


def test_the_longest_begin_first() -> None:
    files = ["tests/unit/test_schedule.py", "tests/contract/test_source.py", "tests/chaos/test_kills.py"]
    assert sorted(files, key=rank) == files[::-1]


def test_named_places_exist() -> None:
    assert [name for name in (*LONG, *ALONE, *TOGETHER) if not list(ROOT.glob(f"{name}*"))] == []
