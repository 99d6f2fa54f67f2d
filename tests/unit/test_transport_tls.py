"""HTTPS against a server with a certificate of its own."""

import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer import errors
from indexer.transport import Transport


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for loopback that no authority knows, with its key beside it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the program openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files],
        check=True,
        capture_output=True,
    )
    return folder / "cert.pem"


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    made = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    made.RequestHandlerClass.log_message = lambda *_: None  # type: ignore[method-assign]
    made.handle_error = lambda *_: None  # type: ignore[method-assign]
    made.socket = context.wrap_socket(made.socket, server_side=True)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"https://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_certificate_is_checked_against_the_ca_file(certificate: Path, tls_server: str) -> None:
    # The handler of the standard library knows no method: 501 is an answer all the same.
    assert (
        Transport(tls_server, peer="fhir", ca_file=certificate).request("GET", "/", accept_statuses=(501,)).status
        == 501
    )
    with pytest.raises(errors.Unavailable, match="TLS failed") as raised:
        Transport(tls_server, peer="fhir").request("GET", "/")
    assert "ca_file" in raised.value.hint
