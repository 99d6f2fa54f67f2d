"""Lines are written in order, and whoever writes them never waits for a reader."""

import fcntl
import os
from collections.abc import Iterator

import pytest

from indexer.log.line_writer import LineWriter

FEW = 50


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe of 4 KiB, its end to read and its end to write."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    yield read, write
    os.close(read)
    os.close(write)


def writer(descriptor: int) -> LineWriter:
    """One that writes what was dropped as a line."""
    return LineWriter(descriptor, lambda count: f"{count} dropped", most_lines=FEW)


def lines(descriptor: int, count: int) -> list[str]:
    """Read so many whole lines, no byte more."""
    content = b""
    while content.count(b"\n") < count:
        content += os.read(descriptor, 1)
    return content.decode().splitlines()


def test_lines_arrive_in_order(pipe: tuple[int, int]) -> None:
    read, write = pipe
    made = writer(write)
    for number in range(FEW):
        made.put(f"line {number}")
    assert made.flush(30)
    assert lines(read, FEW) == [f"line {number}" for number in range(FEW)]


def drained(descriptor: int, made: LineWriter) -> list[str]:
    """All lines that are on their way."""
    content = b""
    is_written = False
    os.set_blocking(descriptor, False)
    while True:
        try:
            content += os.read(descriptor, 65536)
        except BlockingIOError:
            if is_written:
                break
            is_written = made.flush(0.05)
    os.set_blocking(descriptor, True)
    return content.decode().splitlines()


@pytest.mark.parametrize("is_blocking", [True, False])
def test_what_nobody_reads_is_dropped_and_counted(pipe: tuple[int, int], is_blocking: bool) -> None:
    read, write = pipe
    os.set_blocking(write, is_blocking)
    made = writer(write)
    for number in range(1000):
        made.put(f"line {number} {'x' * 1000}")
    assert not made.flush(0.05)
    kept = drained(read, made)
    told = [line for line in kept if line.endswith("dropped")]
    written = [line for line in kept if line not in told]
    assert sum(int(line.split()[0]) for line in told) == 1000 - len(written) > 0
    assert written == sorted(written, key=lambda line: int(line.split()[1]))
    made.put("again")
    assert lines(read, 1) == ["again"]


@pytest.mark.parametrize("descriptor", ["closed", "/dev/full"])
def test_a_descriptor_that_takes_nothing_costs_the_lines_alone(descriptor: str) -> None:
    number = os.open("/dev/full", os.O_WRONLY)
    if descriptor == "closed":
        os.close(number)
    made = writer(number)
    made.put("line")
    assert made.flush(30)
