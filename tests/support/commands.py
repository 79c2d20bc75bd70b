"""Run `tbft-edge` as a user does, in either environment."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from support.ready_commands import ReadyCommands

ROOT = Path(__file__).parents[2]
HOST = ROOT / ".venv" / "host" / "bin"
DEVICE = ROOT / ".venv" / "device" / "bin"
TIMEOUT = 120
# Where `--model support.tiny_models:tiny` is found.
MODELS = ROOT / "tests"
EXPORT = (
    *("export", "--model", "support.tiny_models:tiny", "--image-size", "8"),
    *("--drift", "feature", "--lr", "0.05", "--batch-size", "8"),
)

ERROR = re.compile(r"^error: (?P<message>[^\n]+)\n\nhint: (?P<hint>[^\n]+)\n\Z", re.MULTILINE)


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Step:
    """A command of a flow, run with --json, and the file or folder that it made."""

    path: Path
    ended: Ended

    @property
    def json(self) -> Any:
        """What it wrote on stdout, all of it."""
        assert self.ended.code == 0, self.ended
        return json.loads(self.ended.out)


@dataclass(frozen=True)
class Refusal:
    """The two lines of an error."""

    message: str
    hint: str


def run(
    environment: Path,
    *arguments: str | Path,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Ended:
    """Run `tbft-edge` of `environment` to its end; `before` runs in the new process.

    It is forked from a process that is ready, unless a folder, variables or `before` ask for a real start.
    """
    if cwd is None and variables is None and before is None:
        code, out, err = _ready(environment).run(list(map(str, arguments)), surroundings(None), TIMEOUT)
        return Ended(code, out.decode(), err.decode())
    ended = subprocess.run(
        command(environment, *arguments),
        cwd=cwd,
        env=surroundings(variables),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        preexec_fn=before,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@cache
def _ready(environment: Path) -> ReadyCommands:
    """The process of an environment, started when it is first needed."""
    return ReadyCommands(environment / "python", surroundings(None), ("tbft_export",) if environment == HOST else ())


def start(environment: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    """Start `tbft-edge`; its words can be read from `stderr` while it runs."""
    return subprocess.Popen(
        command(environment, *arguments),
        env=surroundings(None),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )


def heed_interrupts() -> None:
    """For a new process: let Ctrl-C and a lost terminal end it, also where this one was started with them ignored.

    Shells do so for background jobs, and nohup.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def command(environment: Path, *arguments: str | Path) -> list[str]:
    return [str(environment / "tbft-edge"), *map(str, arguments)]


def surroundings(variables: Mapping[str, str] | None) -> dict[str, str]:
    """The environment variables of a command: this process's, without Python's own, and `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COLUMNS"))}
    return kept | {"PYTHONPATH": str(MODELS)} | dict(variables or {})


def refused(ended: Ended, code: int = 2) -> Refusal:
    """The error of a command that refused: nothing on stdout, one `error:` and one `hint:` line at the end."""
    match = ERROR.search(ended.err)
    assert match, ended
    assert ended.code == code, ended
    assert ended.out == "", ended
    assert ended.err.count("error:") == 1, ended
    assert "Traceback" not in ended.err, ended
    return Refusal(match["message"], match["hint"])
