"""A server that spells values otherwise has changed nothing: no conflict, no write, and nothing of others in it."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from indexer.equality import is_equal
from indexer.errors import StudyInvalid
from indexer.merge import Conflict, Merged, merge
from tests.fakes.spelling import respelled
from tests.unit.merge_versions import SANE, element, items, series, versions
from tests.unit.test_merge_any import AT_LENGTH

Elements = dict[str, Any]

moment = st.sampled_from(["2024-01-01T10:15:00+01:00", "2024-01-01T10:15:00Z", "2024-01-01", "2024"])
TIMED = SANE | {
    "started": moment,
    "period": element({}, start=moment),
    "note": items(element({"text": st.sampled_from("ab")}, time=moment), unique_by=lambda note: note["text"]),
    "series": st.lists(
        st.builds(lambda one, started: one | {"started": started}, series, moment),
        min_size=1,
        max_size=3,
        unique_by=lambda one: one["uid"],
    ),
}


def outcome(before: Elements | None, ours: Elements, theirs: Elements, conflict: Conflict) -> Merged | str:
    try:
        return merge(before, ours, theirs, conflict)
    except StudyInvalid as error:
        return error.message


def assert_same(one: Merged | str, other: Merged | str) -> None:
    if isinstance(one, str) or isinstance(other, str):
        assert sorted(re.findall(r"ImagingStudy\.[.\w]+\w", str(one))) == sorted(
            re.findall(r"ImagingStudy\.[.\w]+\w", str(other))
        )
        return
    assert (one.is_changed, one.is_shared) == (other.is_changed, other.is_shared)
    assert is_equal(one.resource, other.resource)


@AT_LENGTH
@given(three=versions(TIMED, 3), conflict=st.sampled_from(Conflict))
def test_the_spelling_of_the_server_changes_no_merge(three: Any, conflict: Conflict) -> None:
    before, ours, theirs = three
    for last in (before, None):
        assert_same(outcome(last, ours, respelled(theirs), conflict), outcome(last, ours, theirs, conflict))


@AT_LENGTH
@given(three=versions(TIMED, 4))
def test_what_we_wrote_is_ours_in_any_spelling(three: Any) -> None:
    before, ours, _ = three
    theirs = respelled(ours)
    for last in (ours, None):
        assert merge(last, ours, theirs, Conflict.QUARANTINE) == Merged(theirs, is_changed=False, is_shared=False)
    corrected = merge(before, ours, respelled(before), Conflict.QUARANTINE)
    assert is_equal(corrected.resource, ours)
    assert corrected.is_changed == (not is_equal(before, ours))
    assert not corrected.is_shared
