"""Run programs in processes of their own, which end when this one is told to; last words explain a failure."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.ended import said_error
from tbft_artifacts.errors import DIVERGED_EXIT_CODE, DivergedError, TbftError

_HINT = "run it by hand: "
_LIMIT = 16 * MIB
# Threads are those that a command is told; several commands run beside each other.
_ONE_THREAD_EACH = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# How long a child may clean up that was told to end.
_PATIENCE_SECONDS = 10
_children: set[subprocess.Popen[bytes]] = set()

_T = TypeVar("_T")


def run_json(command: Sequence[str | Path], given: bytes = b"", failed: str = "an engine failed") -> bytes:
    """What `command` prints on stdout, after reading `given` on stdin.

    Raises DivergedError where it says so with its exit code, and TbftError with its own message, behind `failed`, for
    any other.
    """
    words = [str(part) for part in command]
    done = run_child(words, given, os.environ | _ONE_THREAD_EACH)
    if done.returncode == 0:
        return done.stdout
    message = said_error(done.stderr, done.returncode)
    if done.returncode == DIVERGED_EXIT_CODE:
        raise DivergedError(message, _HINT + shlex.join(words))
    raise TbftError(f"{failed}: {message}", _HINT + shlex.join(words))


def answer(printed: bytes | str, kind: type[_T]) -> _T:
    """What a command of ours printed as JSON. Raises TbftError where it was another one that stood in its place."""
    return decode(printed, kind, _LIMIT, failed="an engine answered something else", hint="is another tbft-edge there?")


def run_program(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `command` to its end, however that is; what it prints as text, whatever bytes it printed."""
    done = run_child(command, b"", environment)
    return subprocess.CompletedProcess(done.args, done.returncode, _text(done.stdout), _text(done.stderr))


def run_child(
    command: Sequence[str], given: bytes, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run `command` to its end; whatever interrupts this process ends it, too."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as child:
        _children.add(child)
        try:
            out, err = child.communicate(given)
        except BaseException:
            _end(child)
            raise
        finally:
            _children.discard(child)
    return subprocess.CompletedProcess(command, child.returncode, out, err)


def end_children() -> None:
    """Tell every process that `run_child` waits for, in whichever thread, to clean up and end."""
    for child in tuple(_children):
        with contextlib.suppress(OSError):
            child.terminate()


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        child.terminate()
    try:
        # Its pipes are read meanwhile: it may have something to say first.
        child.communicate(timeout=_PATIENCE_SECONDS)
    except (subprocess.TimeoutExpired, ValueError):
        child.kill()


def _text(output: bytes) -> str:
    return output.decode(errors="replace")
