"""Archives as a bad card or a broken transfer leaves them, and with content that was exchanged."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from random import Random

from fuzz import commands
from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.mutations import change_bytes, change_file

_BUNDLES = ("feature-frozen", "output-frozen")
NAME = "bundle.tar.gz"


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """Bytes of the archive, of what it unpacks to, or of one file in it."""
    files = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for root in (desk.bundle(rng.choice(_BUNDLES)),)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
    match rng.randrange(4):
        case 0:
            changed = rng.choice((change_bytes, change_file))(packed(files), rng)
            content, what = changed.value, changed.what
        case 1:
            changed = change_bytes(tar_of(files), rng)
            content, what = gzip.compress(changed.value, 1, mtime=0), f"inside: {changed.what}"
        case 2:
            name = rng.choice(sorted(files))
            changed = change_file(files[name], rng)
            files[name] = changed.value
            content, what = packed(files), f"{name} {changed.what}"
        case _:
            name, other = rng.choice(sorted(files)), rng.choice(sorted(files))
            what = _exchange(files, name, other, rng)
            content = packed(files)
    (folder / NAME).write_bytes(content)
    return commands.any_of_bundle(what, desk, NAME, rng)


def _exchange(files: dict[str, bytes], name: str, other: str, rng: Random) -> str:
    match rng.randrange(4):
        case 0:
            del files[name]
            return f"without {name}"
        case 1:
            files[name], files[other] = files[other], files[name]
            return f"{name} and {other} exchanged"
        case 2:
            files[f"{name}/below"] = files[name]
            return f"{name} is a file and a folder"
        case _:
            files[name.upper()] = files.pop(name)
            return f"{name} in capitals"


def tar_of(files: dict[str, bytes]) -> bytes:
    """A tar that holds these files."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return written.getvalue()


def packed(files: dict[str, bytes]) -> bytes:
    return gzip.compress(tar_of(files), 1, mtime=0)
