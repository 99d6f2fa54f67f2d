"""Whatever stands in a file, it is taken or refused with lines; nothing else is ever raised."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from indexer import config
from indexer.errors import ConfigError
from tests.unit.test_config_mistakes import GOOD

LINES = [*GOOD.splitlines(keepends=True), "    feed: {page: 1}\n", "  bundle:\n"]
SIGNS = re.findall(r"\S+", """[ ] { } , - ? : & * ! | > ' " % @ ` # ${ $${X} ${X} ~ = <<: 1:30 0x1 .inf no a/b !!int""")
SPACE = [" ", "  ", "\n", "\t", "\0", "\x85"]
TEXTS = st.lists(st.sampled_from([*LINES, *SIGNS, *SPACE, "!!timestamp"]), max_size=40).map("".join)


def _problems_of(content: bytes) -> tuple[str, ...]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "c.yaml"
        path.write_bytes(content)
        try:
            config.load(path, {})
        except ConfigError as error:
            return tuple(problem.removeprefix(folder) for problem in error.problems)
    return ()


@settings(deadline=None)
@given(TEXTS, st.binary(max_size=6))
def test_any_file_is_taken_or_refused_with_lines(text: str, junk: bytes) -> None:
    for problem in _problems_of(text.encode() + junk):
        assert re.match(r"/c\.yaml:[1-9][0-9]*: .+", problem)
