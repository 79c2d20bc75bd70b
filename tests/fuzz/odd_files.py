"""Pipes, devices, links, folders and terabytes in the place of a file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random

from fuzz.mutations import change_file


def put_something_else(path: Path, rng: Random) -> str:
    """In the place of a file or folder; what it is, in words."""
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
