"""Run one command in a process of its own; its last words explain a failure."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import DIVERGED_EXIT_CODE, DivergedError, TbftError

_HINT = "run it by hand: "
_LIMIT = 16 * MIB
# Threads are those that a command is told; several commands run beside each other.
_ONE_THREAD_EACH = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

_T = TypeVar("_T")


def run_json(command: Sequence[str | Path], given: bytes = b"", failed: str = "an engine failed") -> bytes:
    """What `command` prints on stdout, after reading `given` on stdin.

    Raises DivergedError where it says so with its exit code, and TbftError with its own message, behind `failed`, for
    any other.
    """
    words = [str(part) for part in command]
    done = subprocess.run(words, input=given, capture_output=True, check=False, env=os.environ | _ONE_THREAD_EACH)
    if done.returncode == 0:
        return done.stdout
    lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")] or lines[-1:]
    message = errors[0] if errors else f"exit code {done.returncode}"
    if done.returncode == DIVERGED_EXIT_CODE:
        raise DivergedError(message, _HINT + shlex.join(words))
    raise TbftError(f"{failed}: {message}", _HINT + shlex.join(words))


def answer(printed: bytes | str, kind: type[_T]) -> _T:
    """What a command of ours printed as JSON. Raises TbftError where it was another one that stood in its place."""
    return decode(printed, kind, _LIMIT, failed="an engine answered something else", hint="is another tbft-edge there?")
