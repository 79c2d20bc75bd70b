"""Commands in processes of their own, which give way to whatever else the board does."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from pathlib import Path

from tbft_artifacts.ended import signal_name
from tbft_artifacts.errors import NO_MEMORY, TbftError

_TIED = "tbft_agent.adapting.tied"
# Below what answers images, which nobody should notice.
_NICE = 15
# If memory is short the kernel ends this one first.
_OOM_SCORE = 800
# Of what a process reserves it uses a part: threads have stacks, and memory comes in pieces. A training that needs
# 90 MB reserves 130 to 190.
_RESERVED = 256 << 20
# In its own words, and no others, it ends a process for which there is no memory.
_OPENBLAS = "OpenBLAS error: Memory allocation"
# How long a command may clean up that was told to end; the agent itself has five seconds.
_PATIENCE_SECONDS = 3.0
_LONGEST_MESSAGE = 64 << 10
# Longer than any training of some hundred images: what hangs must not keep the agent from ever training again.
LONGEST_SECONDS = 24 * 3600.0


class StoppedError(Exception):
    """The agent ends, or somebody wants the model before: nothing is begun any more."""


class BoardError(TbftError):
    """The board is to blame, and not the images: labels would not help."""


class Commands:
    """Runs one command after the other, until it is told to stop; `fine` are exit codes of what did as it should."""

    def __init__(
        self,
        longest_seconds: float = LONGEST_SECONDS,
        most_bytes: int | None = None,
        fine: Collection[int] = (0,),
    ) -> None:
        """`most_bytes` is what each may use; None: whatever there is."""
        self._most_bytes = most_bytes
        self._longest_seconds, self._fine = longest_seconds, fine
        # How long commands ran so far, whatever became of them.
        self.seconds = 0.0
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def run(self, *words: str | Path) -> bytes:
        """What `tbft-edge WORDS --json` prints. Raises TbftError with its own message, and StoppedError."""
        return self.call("tbft_edge", *words, "--json")

    def call(self, module: str, *words: str | Path) -> bytes:
        """The same of any module; it is one of ours."""
        command = [sys.executable, "-P", "-m", _TIED, str(os.getpid()), module, *(os.fspath(word) for word in words)]
        with self._lock:
            if self._stopped:
                raise StoppedError
            began = time.monotonic()
            self._child = child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        _give_way(child.pid)
        if self._most_bytes is not None:
            with contextlib.suppress(OSError, ValueError):
                most = self._most_bytes + _RESERVED
                resource.prlimit(child.pid, resource.RLIMIT_DATA, (most, most))
        with child:
            try:
                printed, said = child.communicate(timeout=self._longest_seconds)
            except subprocess.TimeoutExpired as error:
                _kill(child)
                raise BoardError(
                    f"'{module} {words[0]}' did not end in {self._longest_seconds / 3600:.0f} hours",
                    "see what else the board does",
                ) from error
            finally:
                self.seconds += time.monotonic() - began
        if self._stopped:
            raise StoppedError
        if child.returncode not in self._fine:
            raise _failure(said, child.returncode)
        return printed

    def stop(self) -> None:
        """End what runs, kindly at first, and begin nothing more."""
        with self._lock:
            self._stopped = True
            child = self._child
        if child is None or child.poll() is not None:
            return
        with contextlib.suppress(OSError):
            child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_PATIENCE_SECONDS)
        # Also what it began, such as a meter: nothing may hold its pipes.
        _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """The process and all of its session."""
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)


def _give_way(process: int) -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process, _NICE)
    with contextlib.suppress(OSError):
        Path(f"/proc/{process}/oom_score_adj").write_text(str(_OOM_SCORE), encoding="ascii")


def _failure(said: bytes, code: int) -> TbftError:
    """What a command said of why it failed."""
    lines = [line for line in said[-_LONGEST_MESSAGE:].decode(errors="replace").splitlines() if line.strip()]
    words = {
        kind: next((line.removeprefix(kind) for line in reversed(lines) if line.startswith(kind)), None)
        for kind in ("error: ", "hint: ")
    }
    if code < 0:
        name = signal_name(-code) or f"signal {-code}"
        short = "; memory may have been short" if -code == signal.SIGKILL else ""
        return BoardError(f"the command was ended by {name}{short}", "see the kernel's log: dmesg")
    if words["error: "] == NO_MEMORY or any(line.startswith(_OPENBLAS) for line in lines):
        return BoardError(NO_MEMORY, "give more `adapt.memory`, or end what else takes it")
    message = words["error: "] or (lines[-1] if lines else f"exit code {code}")
    return TbftError(message, words["hint: "] or "see 'tbft-edge agent logs'")
