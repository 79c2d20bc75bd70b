"""What nginx lets through to a SuperLink, as that sees it; `tests/federated` asks a real one."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tbft_fleet.rounds.certificates import Certificates
from tbft_fleet.rounds.proxy import Proxy
from tbft_fleet.rounds.supernode import free_port

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class Front:
    """nginx before something that answers every request and notes down its first line."""

    files: Certificates
    port: int = field(default_factory=free_port)
    seen: list[str] = field(default_factory=list)

    def ask(self, path: str) -> int:
        """The status of an answer to exactly this path, which no client mends."""
        context = ssl.create_default_context(cafile=self.files.ca)
        with (
            socket.create_connection(("127.0.0.1", self.port), 10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as server,
        ):
            server.sendall(f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode())
            return int(server.recv(4096).split(b" ")[1])

    def answer(self, listener: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.files.certificate, self.files.key)
        with contextlib.suppress(OSError):
            while True:
                with context.wrap_socket(listener.accept()[0], server_side=True) as client:
                    self.seen.append(client.recv(4096).split(b" ")[1].decode())
                    client.sendall(ANSWER)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    if NGINX is None:
        pytest.skip("nginx is not installed here")
    files = Certificates(tmp_path)
    files.make(["127.0.0.1"])
    found = Front(files)
    with socket.create_server(("127.0.0.1", 0)) as back:
        configuration = tmp_path / "nginx.conf"
        proxy = Proxy(tmp_path, f"127.0.0.1:{found.port}", back.getsockname()[1])
        configuration.write_text(proxy.configuration)
        threading.Thread(target=found.answer, args=(back,), daemon=True).start()
        nginx = subprocess.Popen([NGINX, "-c", str(configuration)])
        try:
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", found.port), 1):
                    break
                time.sleep(0.05)
            yield found
        finally:
            nginx.terminate()
            nginx.wait(10)


def test_the_superlink_sees_the_path_that_was_judged(front: Front) -> None:
    """Else one that nginx takes for the devices' could be another to whatever stands behind it."""
    assert front.ask("/v1/fleet/pull-messages") == 200
    for path in ("/v1/control/start-run/../../fleet/x", "/v1/control/start-run%2f..%2f..%2ffleet/x", "//v1/./fleet/x"):
        assert front.ask(path) == 200
    assert front.seen == ["/v1/fleet/pull-messages", *3 * ["/v1/fleet/x"]]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/control/start-run",
        "/v1/runtime/acquire-task",
        "/v1/fleet/../control/start-run",
        "/v1/fleet/..%2fcontrol/start-run",
        "/v1/fleet/%2e%2e/control/start-run",
        "/v1/control/start-run?/v1/fleet/",
        "/v1/control/start-run#/../../fleet/",
        "/v1/fleet",
    ],
)
def test_nothing_else_gets_through(front: Front, path: str) -> None:
    assert front.ask(path) in (301, 403)
    assert front.seen == []
