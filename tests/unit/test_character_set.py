"""Texts are decoded whole or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.charset import python_encoding

from indexer.sampling.character_set import CharacterSet, is_misread, terms_of

TERMS = st.sampled_from([*python_encoding, "UTF-8", "ISO-IR 100", "ISO_IR 999", "latin1"])
PLAIN = {
    "ISO_IR 100": "latin-1",
    "ISO_IR 101": "iso8859-2",
    "ISO_IR 144": "iso8859-5",
    "ISO_IR 126": "iso8859-7",
    "ISO_IR 192": "utf-8",
    "GB18030": "gb18030",
    "UTF-8": "utf-8",
    "ISO-IR 144": "iso8859-5",
}
PARTS = {
    "ISO 2022 IR 100": ("\x1b-A", "latin-1"),
    "ISO 2022 IR 101": ("\x1b-B", "iso8859-2"),
    "ISO 2022 IR 144": ("\x1b-L", "iso8859-5"),
    "ISO 2022 IR 126": ("\x1b-F", "iso8859-7"),
}


@pytest.mark.filterwarnings("ignore")
@given(st.lists(TERMS, min_size=1, max_size=3), st.binary(max_size=40), st.booleans())
def test_any_bytes_in_any_set_are_decoded_or_left_out(terms: list[str], value: bytes, is_name: bool) -> None:
    text = CharacterSet.of(terms).decode(value, is_name=is_name)

    assert text is None or not {"\x1b", "\ufffd"} & set(text)
    if value.isascii() and b"\x1b" not in value:
        assert text == value.decode("ascii")


def letters(codec: str) -> st.SearchStrategy[str]:
    """Text of what a set of single bytes has beyond ASCII."""
    table = bytes(range(0xA1, 0x100)).decode(codec, "ignore")
    return st.text(sorted(set(table)), min_size=1, max_size=6)


@given(st.sampled_from(list(PLAIN)), st.data())
def test_what_a_set_holds_is_decoded_as_it_was_encoded(term: str, data: st.DataObject) -> None:
    codec = PLAIN[term]
    text = data.draw(st.just("Иван 山田") if codec in ("utf-8", "gb18030") else letters(codec))

    assert CharacterSet.of(terms_of(term)).decode(text.encode(codec)) == text


@given(st.data())
def test_parts_in_several_sets(data: st.DataObject) -> None:
    parts = []
    for term in data.draw(st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=4)):
        escape, codec = PARTS[term]
        text = data.draw(letters(codec))
        parts.append((escape.encode() + text.encode(codec), text))

    decoded = CharacterSet.of(("", *PARTS)).decode(b"".join(value for value, _ in parts))

    assert decoded == "".join(text for _, text in parts)


@pytest.mark.parametrize(
    "shown",
    [
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        "ISO 2022 IR 13¥ISO 2022 IR 87",
        "ISO 2022 IR 100\\ISO 2022 IR 144",
        "ISO_IR 999",
        "UTF-8",
        "ISO-IR 100",
        "ISO_IR 100\\",
        "ISO 2022 GBK",
    ],
)
def test_sets_that_orthanc_decodes_wrongly(shown: str) -> None:
    assert is_misread(terms_of(shown))


@pytest.mark.parametrize(
    "shown", ["", "ISO_IR 100 ", "iso_ir 192", "\\ISO 2022 IR 87", "\\ISO 2022 IR 87\\ISO 2022 IR 159"]
)
def test_sets_that_orthanc_decodes(shown: str) -> None:
    assert not is_misread(terms_of(shown))


@pytest.mark.parametrize("term", ["ISO_IR 999", "KOI8-R", "?", "ISO_IR"])
def test_nothing_is_guessed(term: str) -> None:
    character_set = CharacterSet.of([term])

    assert character_set.decode(b"M\xfcller") is None
    assert character_set.decode(b"Miller") == "Miller"
