"""What systemd wants to hear of a service of `Type=notify` (sd_notify(3)): a datagram to the socket that it names."""

from __future__ import annotations

import contextlib
import os
import socket


def tell(words: str) -> None:
    """Send `words`, such as READY=1; nothing where no systemd listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        # A leading @ stands for a name that is in no file system.
        channel.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
        channel.sendall(words.encode())


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear that the service lives; None where it does not."""
    asked, process = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not asked.isdecimal() or process not in ("", str(os.getpid())):
        return None
    # Twice as often as asked, as its manual says.
    return int(asked) / 2e6
