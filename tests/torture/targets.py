"""What is killed: commands that write, and how to tell that nothing came of it."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from safetensors.numpy import load_file

from support.bundles import compiled
from support.commands import ERROR
from support.forked_command import Outcome, Room, run
from support.toys import coloured_squares, save_folders, save_squares
from tbft_runtime.tuning.record import Tuning

EPOCHS = 3
_GROUPS = ("current/", "slots/", "best/", "confusions/", "exits/")
_RESULT = (
    *("bundle_id", "plan", "blocks", "accuracy_before", "accuracy_after", "loss_before", "loss_after", "best_epoch"),
    *("epochs", "steps", "stopped", "train_images", "validation_images", "skipped_images", "batch_size", "lr", "seed"),
)
_EPOCH = ("number", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


@dataclass(frozen=True)
class Desk:
    """What all start from; nobody changes it."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data.npz"

    @property
    def photos(self) -> Path:
        return self.folder / "photos"

    @property
    def run(self) -> Path:
        """A finished run."""
        return self.folder / "run"

    def bundle(self, name: str) -> Path:
        return self.folder / "bundles" / name

    def archive(self, name: str) -> Path:
        return self.folder / "bundles" / f"{name}.tar.gz"


def make_desk(folder: Path) -> Desk:
    """Bundles, packed ones, images, and a run."""
    desk = Desk(folder)
    for name in ("feature-frozen", "output-frozen", "all-drifts"):
        shutil.copytree(compiled(name), desk.bundle(name))
        with tarfile.open(desk.archive(name), "w:gz", compresslevel=1) as tar:
            for path in sorted(desk.bundle(name).rglob("*")):
                tar.add(path, path.relative_to(desk.bundle(name)).as_posix(), recursive=False)
    save_squares(desk.data, 40)
    save_folders(desk.photos, *coloured_squares(8))
    room = Room(folder / "room")
    room.make()
    ended = run(_train(desk, str(desk.bundle("feature-frozen")), str(desk.run)), room)
    if ended.code:
        raise RuntimeError(f"the run to start from could not be made: {ended.err.decode(errors='replace')}")
    shutil.rmtree(room.path)
    return desk


@dataclass(frozen=True)
class Target:
    """A command that runs in a room, and by what its result is judged."""

    arguments: Callable[[Desk], Sequence[str]]
    result: Callable[[Room, Outcome], Any]
    """What must be the same, however often it was interrupted."""
    prepare: Callable[[Desk, Room], None] = lambda _desk, _room: None


def _train(desk: Desk, bundle: str, out: str, *options: str) -> list[str]:
    common = [
        "--data",
        str(desk.data),
        "--epochs",
        str(EPOCHS),
        "--threads",
        "1",
        "--batch-size",
        "4",
        "--patience",
        "9",
    ]
    return ["train", bundle, *common, "--out", out, "--resume", *options]


def _of_run(room: Room, _outcome: Outcome) -> dict[str, Any]:
    """Tensors bit for bit, and of the report what no clock decides."""
    folder = room.work / "run"
    tensors = load_file(folder / "state.safetensors")
    report = json.loads((folder / "report.json").read_bytes())
    return {
        "tensors": {
            name: (value.shape, value.tobytes()) for name, value in tensors.items() if name.startswith(_GROUPS)
        },
        "result": {name: report["result"][name] for name in _RESULT},
        "epochs": [{name: epoch[name] for name in _EPOCH} for epoch in report["epochs"]],
        "confusion": report["confusion_after"],
    }


def _of_model(room: Room, _outcome: Outcome) -> bytes:
    return (room.work / "model.onnx").read_bytes()


def _of_tuning(room: Room, _outcome: Outcome) -> tuple[str, int]:
    """Times are never the same; that it is whole is enough."""
    tuning = msgspec.json.decode((room.work / "run" / "tuning.json").read_bytes(), type=Tuning)
    return tuning.plan, tuning.batch_size


def _said(_room: Room, outcome: Outcome) -> bytes:
    return outcome.out


def _with_run(desk: Desk, room: Room) -> None:
    shutil.copytree(desk.run, room.work / "run")


TARGETS: Mapping[str, Target] = {
    "train-layer": Target(lambda desk: _train(desk, str(desk.bundle("feature-frozen")), "run"), _of_run),
    "train-fc": Target(lambda desk: _train(desk, str(desk.bundle("output-frozen")), "run"), _of_run),
    "train-auto": Target(lambda desk: _train(desk, str(desk.bundle("all-drifts")), "run", "--drift", "auto"), _of_run),
    "train-archive": Target(lambda desk: _train(desk, str(desk.archive("output-frozen")), "run"), _of_run),
    "finalize": Target(lambda _: ["finalize", "run", "--out", "model.onnx", "--allow-worse"], _of_model, _with_run),
    "tune": Target(
        lambda desk: ["tune", str(desk.bundle("output-frozen")), "--out", "run", "--threads", "1", "--batch-size", "4"],
        _of_tuning,
    ),
    "predict-archive": Target(
        lambda desk: ["predict", str(desk.archive("output-frozen")), str(desk.photos), "--threads", "1", "--json"],
        _said,
    ),
    "fleet-merge": Target(
        lambda _: ["fleet", "merge", "run", "--out", "merged.safetensors"],
        lambda room, _: (room.work / "merged.safetensors").read_bytes(),
        _with_run,
    ),
    "fleet-derive": Target(
        lambda desk: ["fleet", "derive", str(desk.bundle("feature-frozen")), "--from", "run", "--out", "child.tar.gz"],
        lambda room, _: (room.work / "child.tar.gz").read_bytes(),
        _with_run,
    ),
    "report": Target(lambda _: ["report", "run", "--format", "csv"], _said, _with_run),
}


def names(room: Room) -> set[str]:
    """What lies on the disk of a room."""
    return {path.relative_to(room.disk).as_posix() for path in room.disk.rglob("*")}


def refusal(outcome: Outcome) -> str | None:
    """What is wrong with how a command ended that was failed by its disk; None if nothing is."""
    err = outcome.err.decode("utf-8", "replace")
    if "Traceback" in err:
        return f"a traceback: {err.strip().splitlines()[-1][:200]}"
    if outcome.code not in (0, 2):
        return f"exit code {outcome.code}"
    if outcome.code == 2 and not ERROR.search(err):
        return f"no error line and hint, but {err[-200:]!r}"
    return None
