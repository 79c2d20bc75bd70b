"""What a round over Flower costs: bytes, seconds, and memory of each process. `make bench-rounds`.

Two devices and their host on this machine, over loopback with TLS, keys and the proxy; ResNet-26 with 60 images each.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from support.made_up_rounds import World
from support.peaks import family, peak
from support.rounds_processes import Lab, Process, until
from tbft_edge.figures import size
from tbft_edge.tables.table import Table, show

_BUNDLES = Path("build/bench/bundles").absolute()
_NAMES = ("resnet26-output-frozen-32", "resnet26-feature-frozen-32")
_IMAGES, _ROUNDS = 60, 3
_DEVICES = ("pi-0", "pi-1")
_KINDS = ("flower-superlink", "flower-supernode", "nginx", "train")


def main() -> None:
    """Measure, and print what `fleet rounds` prints, and tables."""
    for name in sys.argv[1:] or _NAMES:
        with tempfile.TemporaryDirectory() as temporary:
            _measure(_BUNDLES / name, Path(temporary))


def _measure(bundle: Path, folder: Path) -> None:
    world = World(folder, str(bundle))
    lab = Lab(world, {name: world.device(name, data=_images(folder / f"{name}.npz")) for name in _DEVICES})
    try:
        host = lab.superlink()
        nodes = [lab.node(name) for name in _DEVICES]
        rounds = lab.rounds(_ROUNDS, "--epochs", "2", "--timeout", "300")
        peaks = _Peaks({"host: superlink": host, "host: rounds": rounds, "device: node": nodes[0]})
        until(lambda: peaks.look() and rounds.child.poll() is not None, 400, "the rounds do not end")
        print("\n".join(line for line in rounds.said if line.startswith("round")))  # noqa: T201
        rows = [[name, size(bytes_)] for name, bytes_ in sorted(peaks.found.items())]
        show(Table(f"{bundle.name}: most memory of each process", ["process", "resident"], rows, numbers=True))
    finally:
        for process in lab.processes:
            process.stop()


class _Peaks:
    """The largest resident memory of processes and of those that they began, by what they run."""

    def __init__(self, processes: dict[str, Process]) -> None:
        self._processes, self.found = processes, dict[str, int]()

    def look(self) -> bool:
        for name, process in self._processes.items():
            for pid, words in family(process.child.pid):
                kind = next(
                    (each for each in ("flower-superlink", "flower-supernode", "nginx", "train") if each in words), ""
                )
                label = f"{name}, its {kind}" if kind else name
                self.found[label] = max(self.found.get(label, 0), peak(pid))
        return True


def _images(path: Path) -> Path:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (_IMAGES, 32, 32, 3), np.uint8)
    np.savez(path, images=images, labels=np.arange(_IMAGES) % 10)
    return path


if __name__ == "__main__":
    main()
