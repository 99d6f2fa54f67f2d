"""HTTP servers that cost next to nothing: bodies are ready before they are asked for, and nothing is parsed twice."""

from __future__ import annotations

import contextlib
import multiprocessing
import socketserver
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Answers = Callable[[str, bytes], bytes | None]
    """The body that answers a target and a body; None for a 404."""

_HEAD: Final = b"HTTP/1.1 %b\r\nContent-Type: application/%b\r\nContent-Length: %d\r\n\r\n"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, kind: bytes, answers: Answers) -> None:
        self.kind, self.answers = kind, answers
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(socketserver.StreamRequestHandler):
    rbufsize = 256 * 1024
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while line := self.rfile.readline():
                _, target, _ = line.decode().split()
                length = 0
                while (header := self.rfile.readline()) not in (b"\r\n", b""):
                    if header[:15].lower() == b"content-length:":
                        length = int(header[15:])
                body = self.server.answers(target, self.rfile.read(length))
                status = b"200 OK" if body is not None else b"404 Not Found"
                self.wfile.write(_HEAD % (status, self.server.kind, len(body or b"")))
                self.wfile.write(body or b"")


@contextlib.contextmanager
def serving(kind: str, make: Callable[[], Answers]) -> Iterator[tuple[str, psutil.Process]]:
    """The address and the process of a server with these answers; `make` is called in that process."""
    ours, theirs = multiprocessing.Pipe()

    def run() -> None:
        with _Server(kind.encode(), make()) as server:
            theirs.send(server.server_address[1])
            server.serve_forever(poll_interval=60)

    process = multiprocessing.get_context("fork").Process(target=run, daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}", psutil.Process(process.pid)
    finally:
        process.kill()
        process.join()
