"""A cable between two TCP ports of loopback that can be cut: what is on its way then never arrives, untold."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_PIECE = 1 << 16
_LOOK_SECONDS = 0.2
# Closing sends a reset, as a router does that no longer knows the connection (socket(7), SO_LINGER).
_RESET = struct.pack("ii", 1, 0)


@dataclass
class Cable:
    """Leads from `port` to the port `to`; `carried` counts bytes in both directions."""

    to: int
    carried: int = 0
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _is_whole: threading.Event = field(default_factory=threading.Event)
    _ends: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._is_whole.set()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def port(self) -> int:
        found: int = self._listener.getsockname()[1]
        return found

    def cut(self) -> None:
        """From now on nothing comes through; connections stay open, as both ends see it."""
        self._is_whole.clear()

    def mend(self) -> None:
        """New connections come through; the old ones are no more."""
        self._drop()
        self._is_whole.set()

    def close(self) -> None:
        self._listener.close()
        self._drop()

    def _drop(self) -> None:
        while self._ends:
            end = self._ends.pop()
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RD)
            end.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        self._ends.append(near)
        self._is_whole.wait()
        with contextlib.suppress(OSError):
            far = socket.create_connection(("127.0.0.1", self.to))
            self._ends.append(far)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()
            return
        near.close()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(_PIECE):
                # What was read before the cut lies in it, and is lost when the connection goes.
                self._is_whole.wait()
                other.sendall(piece)
                self.carried += len(piece)
            other.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def cable(to: int) -> Iterator[Cable]:
    """One to the port `to`."""
    found = Cable(to)
    try:
        yield found
    finally:
        found.close()
