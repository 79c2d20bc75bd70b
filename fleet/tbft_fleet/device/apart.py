"""`python -m tbft_fleet.device.apart PARENT`: gates in a process of their own, which a bad release may well end.

A question as JSON on stdin, what came of each gate as JSON on stdout.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.ended import signal_name
from tbft_artifacts.errors import TbftError
from tbft_artifacts.structs import Struct
from tbft_artifacts.tied import tie_to
from tbft_fleet.device.judged import Judged
from tbft_fleet.files.gates import Gates

# -P: else it would import what lies in the working folder, such as a stick's.
_COMMAND = (sys.executable, "-P", "-m", "tbft_fleet.device.apart")
# Longer than some thousand images take anywhere: what hangs must not run on for good.
LONGEST_SECONDS = 3600.0
_LONGEST_WORDS = 300


class Question(Struct, frozen=True, kw_only=True):
    """Paths of bundles, and of images; None where there are none."""

    before: str | None
    after: str
    gates: Gates
    images: str | None


def judged_apart(question: Question) -> tuple[Judged, ...]:
    """What came of the gates. A release that ends the process, or never comes to an end, does not load."""
    try:
        done = subprocess.run(
            [*_COMMAND, str(os.getpid())],
            input=msgspec.json.encode(question),
            capture_output=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _failed(f"its gates took longer than {LONGEST_SECONDS / 60:.0f} minutes")
    if done.returncode < 0:
        return _failed(f"{signal_name(-done.returncode) or 'a signal'} ended the process that loaded it")
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        return _failed(said.splitlines()[-1][:_LONGEST_WORDS])
    try:
        return decode(done.stdout, tuple[Judged, ...], MIB, failed="what came of the gates cannot be read", hint="")
    except TbftError as error:
        return _failed(error.message)


def _failed(text: str) -> tuple[Judged, ...]:
    return (Judged(gate="load", verdict="failed", text=text),)


def main() -> None:
    """Answer the question on stdin; whatever a release prints meanwhile goes to stderr."""
    if not tie_to(int(sys.argv[1])):
        return
    # Only here: a wheel of ONNX Runtime for another CPU ends the process.
    from tbft_fleet.device.gates import check

    out = os.dup(1)
    os.dup2(2, 1)
    asked = decode(sys.stdin.buffer.read(), Question, MIB, failed="the question cannot be read", hint="")
    before, images = (None if path is None else Path(path) for path in (asked.before, asked.images))
    with os.fdopen(out, "wb") as stream:
        stream.write(msgspec.json.encode(check(before, Path(asked.after), asked.gates, images)))


if __name__ == "__main__":
    main()
