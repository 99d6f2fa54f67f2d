"""Make visible what a terminal would carry out, or hide. Pure."""

from __future__ import annotations

import re

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def visible(text: str) -> str:
    r"""The text as one line: escapes such as ``\x1b`` and ``\u202e`` in place of what is not to be seen.

    These are control characters, line ends among them, characters without a width, those that change the direction of
    writing (Unicode Standard Annex #9), and lone surrogates.
    """
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def visible_json(document: str) -> str:
    r"""A JSON document, in any layout, with ``\u`` escapes in its strings in place of what is not to be seen."""
    return _UNSAFE.sub(lambda match: match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}", document)
