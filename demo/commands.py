"""Run a command of the demo as a person would, and read what it reports."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class DemoError(Exception):
    """The demo cannot go on, and why."""


def say(text: str) -> None:
    """A line on stderr, where the tools' progress goes too."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def run(step: str, command: Sequence[str | Path]) -> str:
    """Say what happens, run `command`, and return its stdout. Raises DemoError if it fails."""
    words = [str(word) for word in command]
    say(f"\n{step}\n  $ {shlex.join(words)}")
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False, encoding="utf-8")
    except OSError as error:
        raise DemoError(f"'{words[0]}' cannot be started ({error.strerror}); 'make demo' installs it") from error
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise DemoError(f"the last command ended with exit code {done.returncode}")
    return done.stdout


def run_json(step: str, command: Sequence[str | Path]) -> Json:
    """As `run`, for a tbft-edge command: what it reports with --json."""
    output = run(step, [*command, "--json"])
    try:
        report = json.loads(output)
    except json.JSONDecodeError as error:
        raise DemoError(f"the last command printed no JSON: {output[:80]!r}") from error
    if not isinstance(report, dict):
        raise DemoError(f"the last command printed no JSON object: {output[:80]!r}")
    return report
