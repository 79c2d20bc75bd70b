"""What a failing card makes of a run's own files: nothing may be trained on, or answered from, that is not whole."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from random import Random

from fuzz import commands
from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.mutations import change_file
from fuzz.odd_files import put_something_else


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """A file of an unfinished run, and go on with it; or of a finished one, and use it."""
    if rng.random() < 0.6:
        shutil.copytree(desk.half, folder / "run")
        path = rng.choice(_own_files(folder / "run"))
        what = f"{path.relative_to(folder)} {_spoil(path, rng)}"
        return replace(commands.resume(what, desk), state_as_if_whole=desk.resumed / "state.safetensors")
    if rng.random() < 0.3:
        (folder / "model.onnx").write_bytes(desk.model.read_bytes())
        what = f"model.onnx {_spoil(folder / 'model.onnx', rng)}"
        return replace(commands.predict(what, desk, "model.onnx"), as_if_whole=desk.predicted_by_model)
    shutil.copytree(desk.run, folder / "run")
    path = folder / "run" / rng.choice(("state.safetensors", "state.safetensors", "run.json"))
    what = f"{path.relative_to(folder)} {_spoil(path, rng)}"
    if rng.random() < 0.5:
        return Case(what, ("finalize", "run", "--out", "model.onnx", "--allow-worse"), outputs=("model.onnx",))
    return replace(commands.predict(what, desk, "run"), as_if_whole=desk.predicted)


def _own_files(run: Path) -> list[Path]:
    """State and cache more often than what is read once."""
    files = [path for path in sorted(run.rglob("*")) if path.is_file() and path.name != ".tbft-edge.lock"]
    return [*files, *[path for path in files if path.suffix in (".safetensors", ".rows", ".pixels")] * 2]


def _spoil(path: Path, rng: Random) -> str:
    if rng.random() < 0.06:
        path.unlink()
        return "gone"
    if rng.random() < 0.08:
        return put_something_else(path, rng)
    changed = change_file(path.read_bytes(), rng)
    path.write_bytes(changed.value)
    return changed.what
