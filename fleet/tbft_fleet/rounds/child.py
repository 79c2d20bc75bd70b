"""A program of Flower's as a process beside this one: begun, looked at, and begun again when it ended or hangs."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from tbft_fleet.rounds.begin import tied
from tbft_fleet.rounds.flower import QUIET

# One that should always be at something, and whose main thread did nothing for so long, hangs; others may still answer.
STUCK_SECONDS = 180.0
_PATIENCE_SECONDS = 2.0
# Of what ran for so long, the next end has nothing to do with the last.
_FIRST_PAUSE_SECONDS, _STEADY_SECONDS = 2.0, 120.0
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Child:
    """A program with a folder of its own (`home`), whose lines `say` hears; `name` is what it is called.

    When it ended it is begun again after some seconds, each time twice as many, `pause` at most. `is_busy` says that
    its main thread always has something to do. `orphaned` is the signal that it gets when this process is killed.
    """

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        home: Path,
        say: Callable[[str], None],
        *,
        pause: float,
        is_busy: bool = False,
        orphaned: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name, self._words, self._home, self._say = name, words, home, say
        self._longest, self._is_busy, self._orphaned = pause, is_busy, orphaned
        self._pause = min(_FIRST_PAUSE_SECONDS, pause)
        self._process: subprocess.Popen[bytes] | None = None
        self._begun_at = self._worked_at = self._next_at = 0.0
        self._ticks = -1

    def keep(self) -> bool:
        """Begin it if it does not run and its pause is over; whether it runs now.

        From the main thread alone: the program ends with the thread that began it.
        """
        now = time.monotonic()
        if self._process is not None and self._process.poll() is None:
            if not self._is_stuck(now):
                return True
            self._say(f"{self.name} does nothing any more, and is begun again")
            self.end()
        elif self._process is not None:
            self._say(
                f"{self.name} ended with exit code {self._process.returncode}; it is begun again in {self._pause:.0f} s"
            )
        if self._process is not None:
            self._process, self._next_at = None, now + self._pause
            ran = now - self._begun_at
            self._pause = min(_FIRST_PAUSE_SECONDS if ran > _STEADY_SECONDS else 2 * self._pause, self._longest)
        if now < self._next_at:
            return False
        self._begin(now)
        return True

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None as long as it runs."""
        return None if self._process is None else self._process.poll()

    def end(self) -> None:
        """Tell it to end, and see to it that it does."""
        if self._process is not None:
            end(self._process)

    def _begin(self, now: float) -> None:
        self._process = subprocess.Popen(
            tied(self._words, self._orphaned),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | QUIET | {"FLWR_HOME": str(self._home)},
        )
        self._begun_at = self._worked_at = now
        self._ticks = -1
        assert self._process.stdout is not None
        threading.Thread(target=_repeat, args=(self._process.stdout, self.name, self._say), daemon=True).start()

    def _is_stuck(self, now: float) -> bool:
        assert self._process is not None
        if not self._is_busy:
            return False
        ticks = main_thread_ticks(self._process.pid)
        if ticks is None or ticks != self._ticks:
            self._ticks, self._worked_at = -1 if ticks is None else ticks, now
        return now > self._worked_at + STUCK_SECONDS


def end(process: subprocess.Popen[bytes]) -> None:
    """Tell a process to end, and see to it that it does: in five seconds two of them, one after the other."""
    with contextlib.suppress(OSError):
        process.terminate()
    try:
        process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main_thread_ticks(pid: int) -> int | None:
    """How long the main thread of a process has computed, in ticks of the system's clock; None where nobody knows.

    Fields 14 and 15 of proc_pid_stat(5), behind a name in brackets that may hold anything.
    """
    try:
        fields = Path(f"/proc/{pid}/task/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        return sum(map(int, fields.split()[11:13]))
    except (OSError, ValueError):
        return None


def _repeat(lines: IO[bytes], name: str, say: Callable[[str], None]) -> None:
    with lines:
        for line in lines:
            text = _COLOUR.sub("", line.decode(errors="replace")).strip()
            if text:
                say(f"{name}: {text}")
