"""What each extra of a board weighs on 64-bit ARM, and whether all of it comes as wheels: `make bench-extras`.

Wheels for aarch64 are downloaded with pip, which fails where one is missing, and what they unpack to is added up;
without `.pyc` files, which pip writes beside.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.device_size import only_wheels
from tbft_edge.figures import size
from tbft_edge.tables.table import Table, show

# Raspberry Pi OS 12 and 13.
PYTHONS = ("3.11", "3.13")
EXTRAS = ("device", "device,agent", "device,fleet", "federated")
# Rounds want other versions than the rest was tested with.
_CONSTRAINTS = {"federated": "constraints-federated.txt"}


@dataclass(frozen=True)
class Weighed:
    """An extra with all that it needs, the package itself included."""

    packages: int
    download_bytes: int
    installed_bytes: int


def main() -> None:
    """Print a row for each extra and Python."""
    with tempfile.TemporaryDirectory() as temporary:
        own = Path(temporary) / "own"
        _pip("wheel", "--no-deps", "--wheel-dir", str(own), ".")
        rows = []
        for extras in EXTRAS:
            for python in PYTHONS:
                found = _weighed(extras, python, own, Path(temporary) / f"{extras}-{python}")
                sizes = (size(found.download_bytes), size(found.installed_bytes))
                rows.append([extras, python, str(found.packages), *sizes])
    heading = ["tbft-edge[…]", "Python", "wheels", "download", "installed"]
    show(Table("What an extra weighs on aarch64", heading, rows, numbers=True))


def _weighed(extras: str, python: str, own: Path, folder: Path) -> Weighed:
    options = [*only_wheels(python), "--constraint", _CONSTRAINTS.get(extras, "constraints.txt")]
    options += ["--find-links", str(own)]
    _pip("download", *options, "--dest", str(folder), f"tbft-edge[{extras}]")
    wheels = list(folder.glob("*.whl"))
    return Weighed(len(wheels), sum(wheel.stat().st_size for wheel in wheels), sum(map(_unpacked, wheels)))


def _unpacked(wheel: Path) -> int:
    with zipfile.ZipFile(wheel) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def _pip(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", words[0], "-qq", *words[1:]], check=True)


if __name__ == "__main__":
    main()
