"""The parent's side of the pipe: a worker process for one contestant."""

from __future__ import annotations

import os
import select
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from benchmarks.prepared import ROOT, subject
from benchmarks.protocol import Engine, Failed, Ready, Reply, Request, Subject
from benchmarks.results import Contestant

HOST = ROOT / ".venv" / "host" / "bin" / "python"
DEVICE = ROOT / ".venv" / "device" / "bin" / "python"
_R = TypeVar("_R", bound=Reply)
# Seconds within which any turn ends, compilers included.
PATIENCE = 900.0


def _peer(name: str) -> Path:
    """The environment that `make bench BENCH_ARGS=--peers` makes for it."""
    return ROOT / ".venv" / f"peer-{name}" / "bin" / "python"


_COMMANDS: dict[Engine, tuple[Path, tuple[str, ...]]] = {
    "ours": (DEVICE, ("benchmarks.workers.ours",)),
    "pytorch": (HOST, ("benchmarks.workers.pytorch",)),
    "ort-training": (HOST, ("benchmarks.workers.ort_training",)),
    "channels-last": (HOST, ("benchmarks.workers.pytorch", "channels-last")),
    "torch-compile": (HOST, ("benchmarks.workers.pytorch", "compile")),
    "jax": (_peer("jax"), ("benchmarks.workers.jax_jit",)),
    "mnn": (_peer("mnn"), ("benchmarks.workers.mnn_train",)),
    "executorch": (_peer("executorch"), ("benchmarks.workers.executorch_train",)),
}


class LostError(Exception):
    """A worker could not do what it was asked; the message says why."""


@dataclass
class Player:
    """A contestant's process, started when made. Threads wait as each engine does by default."""

    contestant: Contestant
    image_size: int
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)
    ready: Ready = field(init=False)
    # Where in the log its own lines begin; others are silent in their turns, but may have written before.
    begin: int = field(init=False)

    def __post_init__(self) -> None:
        python, arguments = _COMMANDS[self.contestant.engine]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OMP_", "MKL_"))}
        if not python.exists():
            raise LostError(f"there is no {python.relative_to(ROOT)}: make bench BENCH_ARGS=--peers makes it")
        with self.log.open("ab") as log:
            self.begin = log.tell()
            self.process = subprocess.Popen(
                [str(python), "-m", *arguments],
                cwd=ROOT,
                env=kept,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        try:
            self.ready = self._receive(Ready)
        except LostError:
            self.close()
            raise

    @property
    def subject(self) -> Subject:
        return subject(self.contestant, self.image_size)

    def ask(self, request: Request, expected: type[_R]) -> _R:
        """Send `request` and wait for the reply. Raises LostError if it is another than `expected`."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(msgspec.json.encode(request) + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        return self._receive(expected)

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def _receive(self, expected: type[_R]) -> _R:
        assert self.process.stdout is not None
        # Nothing is left in the buffer: a reply is one line, and the next request is sent when it is read.
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            raise LostError(f"it did not reply within {PATIENCE:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            raise self._ended()
        reply: Reply = msgspec.json.decode(line, type=Reply)
        if isinstance(reply, Failed):
            raise LostError(reply.reason)
        if not isinstance(reply, expected):
            raise LostError(f"it replied {type(reply).__name__}, not {expected.__name__}")
        return reply

    def _ended(self) -> LostError:
        code = self.process.wait()
        lines = self.log.read_bytes()[self.begin :].decode(errors="replace").strip().splitlines()
        return LostError(f"its process ended with exit code {code}: {lines[-1] if lines else 'no message'}")
