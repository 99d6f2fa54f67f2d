"""What `show` says of each omission."""

import re

import pytest

from indexer.cli.omissions import SENTENCES, sentence
from indexer.mapping import Cause, Issue


def test_every_cause_has_a_sentence_of_its_own() -> None:
    assert SENTENCES.keys() == set(Cause)
    assert len(set(SENTENCES.values())) == len(Cause)


@pytest.mark.parametrize("cause", Cause)
def test_a_sentence_says_what_to_do(cause: Cause) -> None:
    text = sentence(Issue("StudyTime", cause))
    assert text.startswith("StudyTime: ")
    assert re.search(r"\. (Add|Correct|Delete|Let|Set) .*\.$", text)
    assert not re.search(r"[<>\[\]{}=]|Cause|Issue", text), "nothing of Python shows"


def test_a_sentence_says_how_often() -> None:
    assert sentence(Issue("InstanceNumber", Cause.OUT_OF_RANGE, 12)).startswith("InstanceNumber (12 times): ")
