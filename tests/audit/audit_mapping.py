"""The property of the mapping over 100,000 studies: ``python -m pytest tests/audit/audit_mapping.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from tests.unit.mapping.test_any_json import RULES, SLOW, STUDIES, becomes_sound_or_an_error

if TYPE_CHECKING:
    from indexer.mapping import Rules
    from indexer.model import Study


@pytest.mark.audit
@pytest.mark.timeout(7200)
@settings(max_examples=100_000, suppress_health_check=SLOW, deadline=None, database=None)
@given(study=STUDIES, applied=RULES)
def test_any_study_becomes_sound_resources_or_an_error(study: Study, applied: Rules) -> None:
    becomes_sound_or_an_error(study, applied)
