"""The property of the mapping over 100,000 studies: ``python -m pytest tests/audit/audit_mapping.py -s``."""

import pytest

from tests.unit.mapping.test_any_json import any_study_becomes_sound_resources_or_an_error, assert_all_outcomes

EXAMPLES = 100_000


@pytest.mark.audit
@pytest.mark.timeout(14_400)
def test_any_study_becomes_sound_resources_or_an_error() -> None:
    became = any_study_becomes_sound_resources_or_an_error(EXAMPLES)
    print(f"\n{EXAMPLES:,} examples became:", dict(became.most_common()))
    assert_all_outcomes(became, EXAMPLES)
