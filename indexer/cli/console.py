"""Where commands print: what comes from servers and archives cannot act on the terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.highlighter import JSONHighlighter

from indexer import log
from indexer.visible import visible, visible_json

if TYPE_CHECKING:
    from rich.text import Text


class PlainConsole(Console):
    """A console that takes every text as it is, in one line, and makes visible what a terminal would carry out."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)

    def print_document(self, document: Any) -> None:
        """Print what JSON can hold as JSON."""
        text = json.dumps(document, indent=2, ensure_ascii=False)
        self.print(JSONHighlighter()(visible_json(text)))


OUTPUT = PlainConsole()
ERRORS = PlainConsole(stderr=True)


def tell(*lines: str) -> None:
    """Print lines to stderr, below the log; nobody waits for who reads them."""
    for line in lines:
        if not log.tell(visible(line)):
            ERRORS.print(line)
