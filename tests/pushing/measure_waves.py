"""What Ansible costs: seconds of each wave, bytes to each board, and memory on it. `make bench-waves`.

Three boards of this machine behind an sshd each, ResNet-26, gates as a new fleet has them; ten releases, since a
repository keeps what was released before.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from support.boards import Boards, boards
from support.commands import DEVICE, run
from support.peaks import family, peak
from tbft_edge.figures import size
from tbft_edge.tables.table import Table, show

_BUNDLE = Path("build/bench/bundles/resnet26-output-frozen-32").absolute()
_RELEASES = 10
_EVERY_SECONDS = 0.02


@dataclass
class Waves:
    """When each began, by Ansible's own banners."""

    began: list[float] = field(default_factory=list)

    def hear(self, line: str) -> None:
        if line.startswith("PLAY ["):
            self.began.append(time.monotonic())

    def seconds(self) -> list[str]:
        """Of each play but the first, which looks who answers, and the last, which names who does not."""
        ended = [*self.began[1:], time.monotonic()]
        return [f"{end - start:.1f}" for start, end in zip(self.began, ended, strict=True)][1:-1]


@dataclass
class Peaks:
    """The most resident memory of what each sshd begins, by what it is, looked at as long as the context lasts."""

    found: dict[str, int] = field(default_factory=dict)

    def __enter__(self) -> Peaks:
        self._ends = threading.Event()
        self._looking = threading.Thread(target=self._look)
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._looking.join()

    def _look(self) -> None:
        while not self._ends.wait(_EVERY_SECONDS):
            for daemon, name in family(os.getpid()):
                for pid, words in family(daemon) if "sshd" in name else ():
                    kind = _kind(words)
                    self.found[kind] = max(self.found.get(kind, 0), peak(pid))


def _kind(words: str) -> str:
    """What a process on a board is there for; Ansible hands its modules to a Python that is told nothing."""
    if "sshd" in words:
        return "sshd"
    if "tbft" in words:
        return "fleet pull" if " pull " in words else "its gates"
    return "Ansible's module" if words.rstrip().endswith("python") else "shells and small tools"


def main() -> None:
    """Measure, and print tables."""
    with tempfile.TemporaryDirectory() as temporary, boards(Path(temporary) / "boards") as found:
        fleet = Path(temporary) / "fleet"
        _host("init", fleet, "--group", "porch")
        inventory = found.inventory({name: _images(found.folder / f"{name}.npz") for name in found.names})
        _play(found, inventory, fleet, "enrol")
        rows = []
        for _ in range(_RELEASES):
            _host("release", fleet, _BUNDLE)
        with Peaks() as peaks:
            for name in ("a new release", "nothing new"):
                waves = Waves()
                _play(found, inventory, fleet, "deploy", waves)
                rows.append([name, *waves.seconds()])
        carried = _bytes(found.folder / "pi1" / "tbft" / "carried")
        archive = max(path.stat().st_size for path in (fleet / "repository" / "targets").iterdir())
        whole = _bytes(fleet / "repository")
    show(Table("seconds of each wave of one board", ["", "canary", "second", "third"], rows, numbers=True))
    bytes_ = [["metadata", size(carried)], ["the release", size(archive)]]
    bytes_ += [[f"the repository, {_RELEASES} releases", size(whole)]]
    show(Table("bytes to a board", ["", "bytes"], bytes_, numbers=True))
    most = [[kind, size(bytes_)] for kind, bytes_ in sorted(peaks.found.items())]
    show(Table("most memory on a board", ["process", "resident"], most, numbers=True))


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _images(path: Path) -> Path:
    """Sixty of a board's own, which every release is measured on."""
    images = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), np.uint8)
    np.savez(path, images=images, labels=np.arange(60) % 10)
    return path


def _host(*words: str | Path) -> None:
    ended = run(DEVICE, "fleet", *words)
    assert ended.code == 0, ended


def _play(found: Boards, inventory: Path, fleet: Path, name: str, waves: Waves | None = None) -> None:
    played = found.play(name, inventory, {"device_fleet": str(fleet)}, None if waves is None else waves.hear)
    assert played.code == 0, played.said


if __name__ == "__main__":
    main()
