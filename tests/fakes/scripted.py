"""A server that answers with scripted bytes, right or wrong."""

import contextlib
import socket
import threading

Answer = bytes | list[bytes] | None


class RawServer:
    """Answers each request with the next of its scripted byte strings; None closes the connection unanswered.

    Attributes
    ----------
    pause_s, read_pause_s
        After each part of an answer, and after each 64 KiB of a request.
    """

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self.pause_s = self.read_pause_s = 0.0
        self.is_closing_after = False
        self.greeting = b""
        self._stop = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.sendall(self.greeting)
            while self._read_request(connection):
                answer = self.answers.pop(0)
                if answer is None:
                    return
                for part in [answer] if isinstance(answer, bytes) else answer:
                    try:
                        connection.sendall(part)
                    except OSError:
                        return
                    if self._stop.wait(self.pause_s):
                        return
                if self.is_closing_after:
                    return

    def _read_request(self, connection: socket.socket) -> bool:
        connection.settimeout(20)
        got = b""
        try:
            while b"\r\n\r\n" not in got:
                part = connection.recv(65536)
                if not part:
                    return False
                got += part
            head, _, body = got.partition(b"\r\n\r\n")
            length = next(
                (int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")), 0
            )
            while len(body) < length:
                body += connection.recv(65536)
                self._stop.wait(self.read_pause_s)
        except OSError:
            return False
        self.requests.append(head + b"\r\n\r\n" + body)
        return True

    def close(self) -> None:
        self._stop.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
