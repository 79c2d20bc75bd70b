"""Bundle folders in which something else lies than files: pipes, devices, links, nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random

from fuzz import commands
from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.mutations import change_file


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """One of the bundle's files or folders is no longer what the manifest says."""
    bundle = folder / "bundle"
    shutil.copytree(desk.bundle(rng.choice(("feature-frozen", "output-frozen"))), bundle)
    # Manifest and folders as often as the many files.
    paths = [*sorted(bundle.rglob("*")), *[bundle / "manifest.json"] * 3]
    path = rng.choice(paths)
    what = f"{path.relative_to(bundle)} {_replace(path, rng)}"
    return commands.any_of_bundle(what, desk, "bundle", rng)


def _replace(path: Path, rng: Random) -> str:
    kind = rng.choice(("gone", "pipe", "device", "link", "circle", "folder", "bytes", "bytes", "forbidden", "long"))
    content = path.read_bytes() if path.is_file() else b""
    if kind == "forbidden":
        path.chmod(0)
        return "forbidden"
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            device = rng.choice(("/dev/zero", "/dev/urandom", "/dev/full", "/dev/tty", "/proc/self/mem", "/dev/stdin"))
            path.symlink_to(device)
            return f"is {device}"
        case "link":
            path.symlink_to(rng.choice(("nothing", "/etc/hostname", "/", "..", "manifest.json")))
        case "circle":
            path.symlink_to(path.name)
        case "folder":
            path.mkdir()
        case "bytes":
            changed = change_file(content, rng)
            path.write_bytes(changed.value)
            return changed.what
        case "long":
            with path.open("wb") as file:
                file.write(content)
                file.truncate(10**12)
            return "goes on for a terabyte of nothing"
        case _:
            return "gone"
    return f"is a {kind}"
