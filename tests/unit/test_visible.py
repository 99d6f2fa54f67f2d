"""Nothing from outside acts on a terminal."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.visible import visible, visible_json

STRANGE = "\x1b]0;title\x07\x1b[2J red\u202e txt.exe \u200b\u2066 \x9b31m \ud800 \r\nforged: line"


def is_seen(character: str) -> bool:
    return character == " " or unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}


def test_what_a_terminal_would_carry_out_is_shown() -> None:
    shown = visible(STRANGE)
    assert "\\x1b" in shown
    assert "\\u202e" in shown
    assert shown.isascii()


@pytest.mark.parametrize("text", ["Müller^Jürgen", "山田^太郎", "a b", "100 µm"])
def test_what_can_be_seen_stays(text: str) -> None:
    assert visible(text) == text


@given(st.text(st.characters()))
def test_any_text_is_one_line_that_can_be_seen(text: str) -> None:
    assert all(map(is_seen, visible(text)))


@given(st.recursive(st.text(st.characters()), lambda leaf: st.lists(leaf) | st.dictionaries(st.text(), leaf)))
def test_a_document_stays_the_same(document: object) -> None:
    shown = visible_json(json.dumps(document, indent=2, ensure_ascii=False))
    assert json.loads(shown) == document
    assert all(is_seen(character) for line in shown.split("\n") for character in line)
