"""What the device environment weighs, against PyTorch's: `python benchmarks/device_size.py [--json]`.

Run it with the Python of a device environment. Wheels for aarch64 are downloaded and installed into a
temporary folder with pip; sizes leave out `.pyc` files. Start-up is measured on this machine: the time
`tbft-edge --help` spends above an empty Python (median of several runs), and the resident memory of a
process that has imported the runtime.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tbft_edge.emulation.guest import PLATFORMS, PYTHON_VERSION, installed_versions
from tbft_edge.figures import size
from tbft_edge.tables.table import Table, show

# The newest whose aarch64 wheel asks for no CUDA libraries.
TORCH = "torch==2.8.0"
# Named here since pip would judge by this machine's architecture what it needs.
TORCH_AND_DEPENDENCIES = (
    *(TORCH, "filelock", "typing-extensions", "sympy", "mpmath", "networkx<3.7", "jinja2", "markupsafe", "fsspec"),
    *("numpy", "pillow"),
)
RUNS = 9


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        ours = _weigh(installed_versions(), Path(temporary) / "device")
        torch = _weigh(TORCH_AND_DEPENDENCIES, Path(temporary) / "torch")
        wheel = _own_wheel(Path(temporary) / "wheel")
    result = {
        "device_download_bytes": ours[0],
        "device_installed_bytes": ours[1],
        "torch_download_bytes": torch[0],
        "torch_installed_bytes": torch[1],
        "own_wheel_bytes": wheel,
        "help_seconds": _own_time(["-m", "tbft_edge", "--help"]),
        # What `train` loads: the package itself imports nothing until a name is used.
        "resident_bytes": _resident("import tbft_runtime.training_run"),
    }
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
        return
    rows = [
        ["download, aarch64 wheels", size(ours[0]), size(torch[0])],
        ["installed, without .pyc", size(ours[1]), size(torch[1])],
        ["the project's own wheel", size(wheel), "–"],
        ["tbft-edge --help above an empty Python", f"{result['help_seconds']:.2f} s", "–"],
        ["memory with the runtime imported", size(result["resident_bytes"]), "–"],
    ]
    show(Table("Device environment", ["", "tbft-edge[device]", f"{TORCH}, numpy, pillow"], rows, numbers=True))


def _weigh(requirements: Sequence[str], folder: Path) -> tuple[int, int]:
    """(bytes of the wheels, bytes of the files they install) for aarch64."""
    wheels, installed = folder / "wheels", folder / "installed"
    options = ["-qq", "--no-deps", *only_wheels(PYTHON_VERSION)]
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "download", *options, "--dest", str(wheels), *requirements], check=True)
    offline = ["--no-index", "--find-links", str(wheels), "--no-compile", "--target", str(installed)]
    subprocess.run([*pip, "install", *options, *offline, *requirements], check=True)
    return _bytes(wheels), _bytes(installed)


def only_wheels(python: str) -> tuple[str, ...]:
    """Options of pip that choose wheels for a 64-bit Raspberry Pi OS with this Python, such as 3.11."""
    return (
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", python),
        *(word for name in PLATFORMS for word in ("--platform", name)),
        *("--abi", f"cp{python.replace('.', '')}", "--abi", "abi3", "--abi", "none"),
    )


def _own_wheel(folder: Path) -> int:
    command = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*command, str(Path(__file__).parents[1])], check=True)
    return _bytes(folder)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


def _own_time(arguments: Sequence[str]) -> float:
    """Median seconds of `python arguments…` above those of a Python that does nothing."""
    return _median_seconds(arguments) - _median_seconds(["-c", "pass"])


def _median_seconds(arguments: Sequence[str]) -> float:
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _resident(program: str) -> int:
    """Resident bytes of a process after `program` ran in it."""
    look = "print(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmRSS')))"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{look}"], check=True, capture_output=True, text=True, encoding="utf-8"
    )
    return int(done.stdout) * 1024


if __name__ == "__main__":
    main()
