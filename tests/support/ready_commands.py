"""Commands of either environment without the start of an interpreter each, which is most of what they take.

A process of the environment has everything imported and forks for every command. What a command is at its start - its
modules, its locale, its signals - is tested with real ones: `support.commands.start`, or `run` with variables.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Threads of libraries are lost in a child that is forked; nothing is computed here, and children start their own.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class ReadyCommands:
    """The process that forks; it ends with this one."""

    def __init__(self, python: Path, variables: Mapping[str, str], packages: Sequence[str] = ()) -> None:
        """Start it with `packages` imported beside what every command may need."""
        self._process = subprocess.Popen(
            # Of a module that is run click would print another name than tbft-edge, and a script's folder be searched.
            [python, "-P", "-c", f"from {__name__} import serve; serve()", *packages],
            env={**variables, **_ONE_THREAD},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._process.communicate)

    def run(self, arguments: Sequence[str], variables: Mapping[str, str], seconds: float) -> tuple[int, bytes, bytes]:
        """Run `tbft-edge arguments` from this process's folder: its exit code and what it wrote."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        umask = os.umask(0o022)
        os.umask(umask)
        asked = {"arguments": list(arguments), "variables": dict(variables), "seconds": seconds}
        asked |= {"folder": str(Path.cwd()), "umask": umask}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        if answer["stopped"]:
            raise TimeoutError(f"tbft-edge {' '.join(arguments)}: {answer['stopped']}")
        return answer["code"], os.fsencode(answer["out"]), os.fsencode(answer["err"])


def serve() -> None:
    """Run what is asked on stdin, a line each, until it is closed."""
    from support.forked_command import Limits, Room, preload, remove, run

    preload(sys.argv[1:])
    # No TemporaryDirectory: a child that ends would remove it.
    scratch = Path(tempfile.mkdtemp())
    with os.fdopen(os.dup(1), "w") as replies:
        for line in sys.stdin:
            asked = json.loads(line)

            def first(asked: Mapping[str, Any] = asked) -> None:
                os.chdir(asked["folder"])
                os.umask(asked["umask"])
                os.environ.clear()
                os.environ.update(asked["variables"])
                # As at the start of an interpreter.
                sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]

            room = Room(scratch / "room")
            room.make()
            ended = run(asked["arguments"], room, Limits(seconds=asked["seconds"]), first)
            shutil.rmtree(room.path)
            answer = {"code": ended.code, "out": os.fsdecode(ended.out), "err": os.fsdecode(ended.err)}
            replies.write(json.dumps(answer | {"stopped": ended.stopped}) + "\n")
            replies.flush()
    remove(scratch)
