"""What of this machine the unit of any service depends on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path

# What `vcgencmd` asks: newer ones the first, older ones the second.
_FIRMWARE = ("/dev/vcio", "/dev/vchiq")


def firmware() -> tuple[str, ...]:
    """Devices of this board that tell power and throttling."""
    return tuple(path for path in _FIRMWARE if Path(path).exists())


def code() -> list[Path]:
    """Where Python and packages lie, such as an environment in somebody's home."""
    packages = (Path(folder) for folder in sys.path if folder)
    return [path for path in (Path(sys.prefix), Path(sys.base_prefix), *packages) if path.exists()]


def fingerprint(*files: Path) -> str:
    """Of what a service reads only when it begins: this program, as it was installed, and `files`."""
    found = sha256((distribution("tbft-edge").read_text("RECORD") or "").encode())
    for file in files:
        found.update(sha256(file.read_bytes()).digest())
    return found.hexdigest()


def both(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Each as it is written and as it is: a link may lead out of a folder that is hidden, or into one."""
    return tuple(sorted({each for path in paths for each in (plain(path), path.resolve())}))


def plain(path: Path) -> Path:
    """Whole, and without the dots that systemd takes in no path."""
    return Path(os.path.normpath(Path.cwd() / path))
