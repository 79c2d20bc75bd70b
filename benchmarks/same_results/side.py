"""A commit's tree and what its commands write, run with the environments of this checkout."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.prepared import ROOT
from benchmarks.same_results.files import OWN_FOLDER

Environment = Literal["host", "device"]

# Inside a tree: what stands before the editable install, which would give the working tree's packages.
_PACKAGES = (".", "artifacts", "runtime", "export")
_HALF = {"host": "tbft_export", "device": "tbft_runtime"}
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# Help folds at the width of the terminal.
_WIDTH = {"COLUMNS": "120"}


class SideError(Exception):
    """A tree cannot be made or used, and why."""


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote; folders of its own side have a name that both sides share."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Side:
    """`tree` is a commit's files, `work` where its commands run: paths are relative to it, and alike on both sides."""

    commit: str
    tree: Path
    work: Path

    def check_out(self) -> None:
        """Write the files of the commit, and make the folder to work in."""
        self.tree.mkdir(parents=True)
        self.work.mkdir(parents=True)
        # An archive, not a worktree: nothing of it stays in .git.
        subprocess.run(["tar", "-x", "-C", self.tree], input=_git("archive", self.commit), check=True)

    def check(self) -> None:
        """Raises SideError if an environment is missing, or its Python finds a package elsewhere than in the tree."""
        for environment, half in _HALF.items():
            if not _python(environment).exists():
                raise SideError(f"there is no environment at '{_python(environment)}'")
            names = ("tbft_edge", "tbft_artifacts", half)
            code = f"import {', '.join(names)}; print({', '.join(f'{name}.__file__' for name in names)}, sep='\\n')"
            ended = self.python(environment, "-c", code)
            for name, file in zip(names, ended.out.splitlines(), strict=False):
                if not file.startswith("TREE/"):
                    raise SideError(f"{environment}: {name} of {self.commit} was imported from '{file}'")
            if ended.code:
                raise SideError(f"{environment}: {ended.err.strip() or ended.code}")

    def edge(self, environment: str, *arguments: str) -> Ended:
        """Run `tbft-edge` to its end."""
        return self.python(environment, "-m", "tbft_edge", *arguments)

    def edge_interrupted(self, environment: str, *arguments: str) -> Ended:
        """Run `tbft-edge` and press Ctrl-C when the first epoch has ended."""
        command = self._command(environment, "-m", "tbft_edge", *arguments)
        with subprocess.Popen(
            command, cwd=self.work, env=self._variables(), stdout=-1, stderr=-1, text=True, encoding="utf-8"
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith("epoch "):
                    break
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
        return self._ended(process.returncode, out, err)

    def python(self, environment: str, *arguments: str) -> Ended:
        """Run Python of an environment, in the side's folder."""
        done = subprocess.run(
            self._command(environment, *arguments),
            cwd=self.work,
            env=self._variables(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            encoding="utf-8",
        )
        return self._ended(done.returncode, done.stdout, done.stderr)

    def _command(self, environment: str, *arguments: str) -> list[str]:
        return [str(_python(environment)), *arguments]

    def _variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        path = os.pathsep.join(str(self.tree / folder) for folder in _PACKAGES)
        return kept | _ONE_THREAD | _WIDTH | {"PYTHONPATH": path}

    def _ended(self, code: int, out: str, err: str) -> Ended:
        out, err = (text.replace(str(self.work), OWN_FOLDER).replace(str(self.tree), "TREE") for text in (out, err))
        return Ended(code, out, err)


def short_hash(commit: str) -> str:
    """What git knows as `commit`. Raises SideError if that is none."""
    try:
        found = _git("rev-parse", "--quiet", "--short", "--verify", "--end-of-options", f"{commit}^{{commit}}")
    except subprocess.CalledProcessError as error:
        raise SideError(f"git knows no commit '{commit}' here") from error
    return found.decode().strip()


def _python(environment: str) -> Path:
    return ROOT / ".venv" / environment / "bin" / "python"


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", ROOT, *arguments], stdout=subprocess.PIPE, check=True).stdout
