"""One table for whole answers and for entries."""

from __future__ import annotations

import pytest

from indexer.http_status import Meaning, meaning


@pytest.mark.parametrize(
    ("expected", "statuses"),
    [
        (Meaning.DONE, [200, 201, 204, 299]),
        (Meaning.ELSEWHERE, [100, 301, 304, 308]),
        (Meaning.DENIED, [401, 403]),
        (Meaning.CONFLICT, [409, 412]),
        (Meaning.TOO_LARGE, [413]),
        (Meaning.LATER, [408, 425, 429, 500, 502, 503, 504, 599, 600]),
        (Meaning.REFUSED, [400, 404, 405, 410, 422, 501]),
    ],
)
def test_what_a_status_means(expected: Meaning, statuses: list[int]) -> None:
    assert {meaning(status) for status in statuses} == {expected}
