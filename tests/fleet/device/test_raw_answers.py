"""Whatever bytes a server sends, a device says in one line that it takes nothing, and soon."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fleets import joined, new_fleet
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.carrier import Http

OK = b"HTTP/1.1 200 OK\r\n"
PATIENCE = 0.5
# What it sends, once or for as long as somebody listens.
ANSWERS = {
    "nothing": (b"", False),
    "rubbish": (b"\xff\x00\r\n\r\n", False),
    "rubbish without end": (b"\xff" * 4096, True),
    "an old protocol": (b"{}", False),
    "no number": (b"HTTP/1.1 abc OK\r\n\r\n", False),
    "a number that is none": (b"HTTP/1.1 999 \x1b[2J\r\n\r\n", False),
    "go on without end": (b"HTTP/1.1 100 Continue\r\n\r\n", True),
    "a line without end": (OK + b"X: " + b"x" * 100_000, True),
    "lines without end": (OK + b"X: y\r\n" * 1000, True),
    "a length below nothing": (OK + b"Content-Length: -5\r\n\r\n{}", False),
    "a length of words": (OK + b"Content-Length: much\r\n\r\n{}", False),
    "two lengths": (OK + b"Content-Length: 1\r\nContent-Length: 9\r\n\r\n{}", False),
    "pieces of words": (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", False),
    "a piece below nothing": (OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n", False),
    "a piece without end": (OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + b"x" * 4096, True),
    "a part that nobody asked for": (b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 7-8/9\r\n\r\n{}", False),
    "a way to nowhere": (b"HTTP/1.1 302 Found\r\n\r\n", False),
    "a way of rubbish": (b"HTTP/1.1 302 Found\r\nLocation: http://[\xff\x00/\r\n\r\n", False),
}


@contextlib.contextmanager
def answering(answer: bytes, without_end: bool) -> Iterator[str]:
    """The address of a server that says that to everybody."""
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), listener.accept()[0] as connection:
                connection.settimeout(10)
                connection.recv(4096)
                connection.sendall(answer)
                while without_end and not over.is_set():
                    connection.sendall(answer[-4096:])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("what", ANSWERS)
def test_it_is_one_line(what: str, tmp_path: Path) -> None:
    device = joined(new_fleet(tmp_path / "fleet"), tmp_path / "pi")
    with answering(*ANSWERS[what]) as url:
        began = time.monotonic()
        with pytest.raises(TbftError) as caught:
            device.newest(Http(url, patience=PATIENCE))
        assert time.monotonic() - began < 20
    said = caught.value.message + caught.value.hint
    assert url in said
    assert said.isprintable()
    assert len(said) < 600
