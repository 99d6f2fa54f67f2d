import pytest

from indexer.bundle import EntryStatus, Verdict, judge
from indexer.model import EntryResult

THROTTLED = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": "ThrottlingException: Rate exceeded"}]}


@pytest.mark.parametrize(
    ("status", "entry_status"),
    [
        *[(status, EntryStatus.ACCEPTED) for status in (200, 201, 204, 304)],
        *[(status, EntryStatus.RETRY) for status in (408, 425, 429, 500, 502, 503, 504, 507)],
        *[(status, EntryStatus.CONFLICT) for status in (409, 412)],
        (413, EntryStatus.TOO_LARGE),
        *[(status, EntryStatus.REFUSED) for status in (100, 301, 400, 401, 403, 404, 405, 410, 415, 422, 451, 501)],
    ],
)
def test_judgement(status: int, entry_status: EntryStatus) -> None:
    assert judge(EntryResult(status=status)).entry_status is entry_status


@pytest.mark.parametrize(
    ("status", "cause"),
    [(400, "invalid"), (422, "invalid"), (401, "denied"), (403, "denied"), (404, "unsupported"), (405, "unsupported"),
     (410, "unsupported"), (501, "unsupported"), (415, "refused"), (301, "refused")],
)  # fmt: skip
def test_cause(status: int, cause: str) -> None:
    assert judge(EntryResult(status=status)) == Verdict(EntryStatus.REFUSED, cause=cause)


def test_retry_after_is_handed_on() -> None:
    assert judge(EntryResult(status=429, retry_after_s=7)) == Verdict(EntryStatus.RETRY, retry_after_s=7)


def test_throttling_in_the_guise_of_a_bad_request() -> None:
    assert judge(EntryResult(status=400, outcome=THROTTLED)).entry_status is EntryStatus.RETRY
    assert judge(EntryResult(status=422, outcome=THROTTLED)).entry_status is EntryStatus.REFUSED
    assert judge(EntryResult(status=400, outcome={"issue": []})).entry_status is EntryStatus.REFUSED
