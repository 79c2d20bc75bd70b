"""The agent as a service, for its tests: a configuration, a process that says that it is ready, units that are read."""

from __future__ import annotations

import configparser
import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.bundles import compiled
from support.commands import DEVICE, command, heed_interrupts, surroundings

# A start takes two seconds, on a machine that does other things ten times as long.
PATIENCE = 60.0


def configured(folder: Path, *more: str, bundle: Path | None = None, state: str | None = None) -> Path:
    """A configuration in `folder` with a port that is free; `more` are lines of TOML behind it."""
    file = folder / "agent.toml"
    file.write_text(
        "\n".join(
            [
                f"bundle = '{bundle or compiled('kept')}'",
                f"state = '{state or folder / 'state'}'",
                "threads = 1",
                "[http]",
                f"port = {free_port()}",
                *more,
            ]
        )
    )
    return file


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass
class Running:
    """A `tbft-edge agent` that is a process of its own; `told` is all that systemd would have heard so far."""

    process: subprocess.Popen[str]
    channel: socket.socket
    told: list[str] = field(default_factory=list)

    def wait_for(self, words: str) -> None:
        """Until systemd would have heard `words`."""
        ends = time.monotonic() + PATIENCE
        while words not in self.told:
            assert time.monotonic() < ends, (words, self.told)
            try:
                self.told.append(self.channel.recv(4096).decode())
            except TimeoutError:
                assert self.process.poll() is None, (self.told, self.process.communicate())

    def end(self, number: int = signal.SIGTERM) -> float:
        """Send a signal; seconds until it ended."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        return time.monotonic() - began


@contextlib.contextmanager
def running(file: Path, watchdog_seconds: float = 2.0, words: Sequence[str] | None = None) -> Iterator[Running]:
    """One that is ready, as systemd starts it; by `words` where it is another command that runs it."""
    path = file.parent / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(path))
        channel.settimeout(0.2)
        told = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": f"{watchdog_seconds * 1e6:.0f}"}
        process = subprocess.Popen(
            words or command(DEVICE, "agent", file),
            env=surroundings(told),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed_interrupts,
        )
        try:
            found = Running(process, channel)
            found.wait_for("READY=1")
            yield found
        finally:
            process.kill()
            process.communicate()
            Path(path).unlink()


class _Settings(dict[str, str]):
    """Keeps a setting that stands several times as lines of one."""

    def __setitem__(self, name: str, value: object) -> None:
        if isinstance(value, list) and name in self:
            value = [*self[name], *value]
        super().__setitem__(name, value)  # type: ignore[assignment]


def parsed(unit: str) -> dict[str, dict[str, str]]:
    """Sections of a unit; of a setting that stands several times all values, in lines."""
    parser = configparser.RawConfigParser(strict=False, dict_type=_Settings, comment_prefixes=("#",), delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit)
    return {name: dict(parser[name]) for name in parser.sections()}
