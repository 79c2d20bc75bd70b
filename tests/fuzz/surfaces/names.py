"""Paths, names and texts of a command line, and files that were named by strangers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random

from fuzz.case import Case
from fuzz.desk import Desk
from support.hostile import EVIL

_NAMES: tuple[bytes, ...] = (
    *(b"caf\xe9", b"\xff\xfe", EVIL.encode()[:180], b"a\nb", b"a\tb", b" ", b"\x1b[31mred", b"'; echo x; '"),
    *("é".encode(), "👩".encode(), b"x" * 250, b"-name", b"$(touch pwned)", b"a.onnx", b"b.tar.gz", b"c.npz", b"%s%n"),
)


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """A bundle, run, data set or output of such a name; there, or not there."""
    name = os.fsdecode(rng.choice(_NAMES))
    path = f"./{name}"
    there = rng.random() < 0.7
    one = ("--threads", "1")
    bundle, data = str(desk.bundle()), str(desk.data)
    match rng.randrange(7):
        case 0:
            _copy(desk.bundle("output-frozen"), folder / name, there)
            return Case("bundle", (rng.choice(("inspect", "inspect")), path, *rng.choice(((), ("--json",)))))
        case 1:
            _copy(desk.bundle("output-frozen"), folder / name, there)
            return Case("bundle", ("train", path, "--data", data, "--out", "run", "--epochs", "1", *one), ("run",))
        case 2:
            _copy(desk.photos, folder / name, there)
            return Case("data", ("predict", bundle, path, *one, *rng.choice(((), ("--json",)))))
        case 3:
            _copy(desk.photos, folder / name, there)
            case = ("train", bundle, "--data", path, "--out", "run", "--epochs", "1", *one)
            return Case("data", (*case, *rng.choice(((), ("--json",)))), ("run",))
        case 4:
            return Case("out", ("train", bundle, "--data", data, "--out", path, "--epochs", "1", *one), (name,))
        case 5:
            shutil.copytree(desk.run, folder / "run")
            return Case("model", ("finalize", "run", "--out", f"{path}.onnx", "--allow-worse"), (f"{name}.onnx",))
        case _:
            _copy(desk.run, folder / name, there)
            form = rng.choice(("table", "markdown", "csv", "json", "html"))
            return Case("run", ("report", path, str(desk.resumed), "--format", form))


def _copy(source: Path, path: Path, there: bool) -> None:
    if there:
        shutil.copytree(source, path)
