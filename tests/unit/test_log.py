"""Logs hold the facts that help and nothing about a patient, and writing them never stops the work."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer import log
from indexer.errors import Unavailable
from indexer.log import Event
from indexer.log.handlers import QUIET

OURS = logging.getLogger("indexer.some_module")
ROOT = Path(__file__).resolve().parents[2]
UID = "1.2.276.0.7230010.3.1.2.8323329.4711"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    logging.captureWarnings(capture=False)
    for handler in list(root.handlers):
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _logging(log_format: str = "json", level: str = "info", stream: io.StringIO | None = None) -> io.StringIO:
    """Where records are written from now on."""
    stream = stream or io.StringIO()
    log.configure(log_format, level, stream)
    return stream


def _written(log_format: str = "json", **record: Any) -> str:
    stream = _logging(log_format, "debug")
    OURS.info("Study published.", **record)
    return stream.getvalue()


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """Records; none holds what was said of a patient."""
    text = stream.getvalue()
    assert not [word for word in ("Doe", "0815") if word in text]
    return [json.loads(line) for line in text.splitlines()]


def test_a_record_is_one_json_object_with_its_facts() -> None:
    line = json.loads(
        _written(extra={"event": Event.STUDY_PUBLISHED, "source": "main", "entries": 3, "duration_ms": 12.5})
    )
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "indexer.some_module",
        "message": "Study published.",
        "event": "study_published",
        "source": "main",
        "entries": 3,
        "duration_ms": 12.5,
    }


def test_text_is_one_line_for_people() -> None:
    text = _written("text", extra={"event": Event.STUDY_WAITS, "cause": "no issuer yet"})
    assert text.endswith('INFO    Study published. event=study_waits cause="no issuer yet"\n')


@pytest.mark.parametrize(("stream", "start"), [(io.StringIO(), "{"), (_Terminal(), "2")])
def test_auto_writes_text_only_on_a_terminal(stream: io.StringIO, start: str) -> None:
    _logging("auto", stream=stream)
    OURS.info("Started.")
    assert stream.getvalue().startswith(start)


def test_the_level_is_kept() -> None:
    stream = _logging(level="warning")
    OURS.info("Not written.")
    OURS.warning("Written.")
    assert [line["message"] for line in _lines(stream)] == ["Written."]


PHI = {
    "patient_name": "Doe^Jane",
    "patient_id": "PID-0815",
    "birth_date": "19700101",
    "accession_number": "ACC-4711",
    "study_instance_uid": UID,
    "url": "http://x/Patient?identifier=PID-0815",
    "body": "Doe^Jane",
    "resource": {"name": "Doe^Jane"},
    "outcome": "Doe^Jane is not unique",
}


@pytest.mark.parametrize("key", sorted(PHI))
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_facts_that_are_not_on_the_list_are_dropped(key: str, log_format: str) -> None:
    written = _written(log_format, extra={key: PHI[key], "count": 7})
    assert key not in written
    assert "Doe" not in written
    assert "0815" not in written
    assert "7" in written


@pytest.mark.parametrize(
    ("value", "canary"),
    [
        (f"study {UID} is odd", UID),
        (f"urn:oid:{UID}", UID),
        ("GET https://user:secret@pacs.example/Patient?identifier=PID-0815 failed", "0815"),
        ("GET https://user:secret@pacs.example/studies/x", "secret"),
        ("Patient?identifier=PID-0815", "0815"),
        ({"name": "Doe^Jane"}, "Doe"),
        (["Doe^Jane"], "Doe"),
        (b"Doe^Jane", "Doe"),
    ],
)
def test_allowed_facts_are_scrubbed_too(value: object, canary: str) -> None:
    assert canary not in _written(extra={"cause": value})


def test_an_event_outside_the_closed_set_is_dropped() -> None:
    assert "event" not in json.loads(_written(extra={"event": "something_else"}))


def test_arguments_are_never_formatted_in() -> None:
    stream = _logging()
    OURS.info("Study of %s published.", "Doe^Jane")
    assert [line["message"] for line in _lines(stream)] == ["Study of %s published."]


@pytest.mark.parametrize(
    "name",
    ["urllib3.connectionpool", "requests", "pynetdicom.acse", "sqlalchemy.engine", "indexer_plugin", "x"],
)
def test_foreign_libraries_cannot_leak(name: str) -> None:
    stream = _logging()
    logging.getLogger(name).error("Retrying %s", "/Patient?identifier=PID-0815")
    logging.getLogger(name).error("PatientName is " + "Doe^Jane")  # noqa: G003 - what libraries do
    first, second = _lines(stream)
    assert first["message"] == "Retrying %s"
    assert second["message"] == "A library wrote a message; its text is withheld."
    assert second["place"].startswith("test_log:")


@pytest.mark.parametrize("name", QUIET)
def test_chatty_libraries_are_heard_from_warning_on(name: str) -> None:
    for level, quiet in (("debug", logging.WARNING), ("error", logging.ERROR)):
        _logging(level=level)
        assert logging.getLogger(name).getEffectiveLevel() == quiet


def test_a_traceback_shows_classes_and_places_but_no_texts_except_those_of_our_own_errors() -> None:
    stream = _logging()
    try:
        raise OSError("no route to /Patient?identifier=PID-0815") from KeyError("Doe^Jane")
    except OSError:
        OURS.exception("The work stopped.")
    try:
        raise Unavailable("Orthanc does not answer.", peer="orthanc")
    except Unavailable:
        OURS.exception("The poll failed.")
    foreign, own = _lines(stream)
    assert foreign["error"] == "OSError from KeyError"
    assert "test_log.py:" in foreign["at"]
    assert own["problem"] == "Orthanc does not answer."


INJECTIONS = [
    "a\r\nb",
    'x\n{"level": "info"}',
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "null\x00byte",
    "back\x08space",
    "del\x7f",
    "c1\x9b31m",
    "line\u2028separator",
    "right\u202eleft",
    "isolate\u2066",
    "zero\u200bwidth",
    "lone\ud800surrogate",
]


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_control_characters_cannot_forge_a_line(text: str, log_format: str) -> None:
    stream = _logging(log_format)
    OURS.info(text)
    for written in (_written(log_format, extra={"cause": text, "source": text}), stream.getvalue()):
        assert written.endswith("\n")
        assert written[:-1].isprintable()


def test_long_texts_are_cut() -> None:
    assert len(json.loads(_written(extra={"cause": "x" * 100_000}))["cause"]) < 400


def test_study_key_is_keyed_and_stable() -> None:
    # HMAC-SHA256 of "study|1.2.3" under the key 32 x 01, computed with OpenSSL 3.
    assert log.study_key(b"\x01" * 32, "1.2.3") == "c234e7454374"
    assert log.study_key(b"\x02" * 32, "1.2.3") != log.study_key(b"\x01" * 32, "1.2.3")


PROGRAM = """
import logging, sys
from indexer import log
from indexer.log.handlers import QUIET
log.configure("json", "info")
for number in range(200):
    logging.getLogger("indexer.x").info("Page noted.", extra={"count": number})
print("done")
"""


@pytest.mark.parametrize(
    "redirection", ["2>/dev/full", "2>&-", "2> >(exec true)", "2>/dev/null </dev/null", "2</dev/null"]
)
def test_logging_never_stops_the_work(redirection: str) -> None:
    ended = subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" {redirection}', sys.executable, PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "done\n")


def test_a_closed_stream_is_no_error() -> None:
    _logging().close()
    OURS.info("Nobody reads this.")


def test_a_stream_with_a_descriptor_is_written_whole(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        log.configure("json", "info", stream)
        OURS.info("Started.", extra={"source": "Straße"})
        log.flush()
        # Written past the buffer: it is there before the stream is flushed or closed.
        line = json.loads((tmp_path / "log").read_text())
    assert line["source"] == "Straße"


def test_records_that_were_dropped_are_told_in_the_format_of_the_log(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        log.configure("json", "info", stream)
        (handler,) = logging.getLogger().handlers
        line = json.loads(handler.writer.on_dropped(7))
    assert (line["event"], line["count"], line["level"]) == ("log_dropped", 7, "warning")
