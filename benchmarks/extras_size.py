"""What each extra of a device brings beside `tbft-edge[device]`: `python -m benchmarks.extras_size [--json]`.

Run it with the Python of a device environment that has pytest, and so `packaging`. pip chooses wheels for aarch64 by the project's own requirements and
constraints; where one of a package is missing this fails. Sizes leave out `.pyc` files.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from benchmarks.device_size import ONLY_WHEELS, bytes_of
from tbft_edge.figures import size
from tbft_edge.tables.table import Table, show

ROOT = Path(__file__).parents[1]
CONSTRAINTS = {"federated": "constraints-federated.txt"}
EXTRAS = ("agent", "fleet", "federated")


@dataclass(frozen=True)
class Weight:
    """Of what an extra brings: packages, and bytes of their wheels and of the files that these install."""

    extra: str
    packages: int
    download_bytes: int
    installed_bytes: int


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        found = [weigh(extra, Path(temporary)) for extra in EXTRAS]
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps([asdict(each) for each in found], indent=2) + "\n")
        return
    rows = [[each.extra, str(each.packages), size(each.download_bytes), size(each.installed_bytes)] for each in found]
    show(Table("Beside device", ["extra", "packages", "download, aarch64 wheels", "installed"], rows, numbers=True))


def weigh(extra: str, folder: Path) -> Weight:
    """What it brings that `device`, with the versions of the same constraints, does not have."""
    constraints = ROOT / CONSTRAINTS.get(extra, "constraints.txt")
    plain, more = (_wheels(names, constraints, folder / extra) for names in (("device",), ("device", extra)))
    new = sorted(more.keys() - plain.keys())
    installed = folder / extra / "installed"
    command = [sys.executable, "-m", "pip", "install", "-qq", *ONLY_WHEELS, "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*command, "--target", str(installed), *(str(more[name]) for name in new)], check=True)
    return Weight(extra, len(new), sum(more[name].stat().st_size for name in new), bytes_of(installed))


def _wheels(extras: tuple[str, ...], constraints: Path, folder: Path) -> dict[str, Path]:
    """The wheels of the project with `extras`, itself left out, by their file names."""
    wheels = folder / "-".join(extras)
    command = [sys.executable, "-m", "pip", "download", "-qq", *ONLY_WHEELS, "--constraint", str(constraints)]
    subprocess.run([*command, "--dest", str(wheels), *requirements(extras)], check=True)
    return {path.name: path for path in wheels.iterdir()}


def requirements(extras: tuple[str, ...]) -> list[str]:
    """What the installed project asks for with `extras`, but not itself."""
    found = []
    for text in metadata.requires("tbft-edge") or ():
        each = Requirement(text)
        marker = each.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, *_implied(extras))):
            each.marker = None
            found.append(str(each))
    return [text for text in found if not text.startswith("tbft-edge")]


def _implied(extras: tuple[str, ...]) -> tuple[str, ...]:
    return ("fleet",) if "federated" in extras else ()


if __name__ == "__main__":
    main()
