"""What cases are made from: whole bundles, images, pictures, runs, models; made once, and only read after that."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from support.bundles import COMPILED, compiled
from support.forked_command import Room, run
from support.toys import coloured_squares, save_folders, save_squares
from tbft_runtime import Silent, TrainOptions, train
from tbft_runtime.run.epoch import Epoch

BUNDLES = (
    "feature-frozen",
    "output-frozen",
    "feature-batch",
    "feature-int8",
    "input-batch",
    "all-drifts",
    "tinytrain",
    "motion",
    "hum",
)
# Which of them the runs are of.
BUNDLE = "feature-frozen"
EPOCHS = 3
PICTURES = 8
IMAGES = 24


@dataclass(frozen=True)
class Desk:
    """A folder of whole things. Cases copy what they break."""

    folder: Path

    @property
    def data(self) -> Path:
        """Labelled images."""
        return self.folder / "data.npz"

    @property
    def photos(self) -> Path:
        """A folder per class."""
        return self.folder / "photos"

    @property
    def jpegs(self) -> Path:
        """Pictures of several kinds as cameras write them."""
        return self.folder / "jpegs"

    @property
    def run(self) -> Path:
        """A finished run of `BUNDLE`."""
        return self.folder / "run"

    @property
    def half(self) -> Path:
        """One that was killed after its first epoch, with its cache."""
        return self.folder / "half"

    @property
    def resumed(self) -> Path:
        """The same, continued to its end."""
        return self.folder / "resumed"

    @property
    def model(self) -> Path:
        """The finished run's model."""
        return self.folder / "model.onnx"

    @property
    def tuned(self) -> Path:
        """A folder with a `tuning.json`."""
        return self.folder / "tuned"

    @property
    def predicted(self) -> Path:
        """What `predict --json` says of the photos by the finished run."""
        return self.folder / "predicted.json"

    @property
    def predicted_by_model(self) -> Path:
        """The same by the model."""
        return self.folder / "predicted-by-model.json"

    def bundle(self, name: str = BUNDLE) -> Path:
        return self.folder / "bundles" / name


def make_desk(folder: Path) -> Desk:
    """Everything of it, in a new folder. Trains in children: a process with threads cannot be forked well."""
    desk = Desk(folder)
    folder.mkdir(parents=True)
    for name in BUNDLES:
        shutil.copytree(compiled(name), desk.bundle(name))
    save_squares(desk.data, IMAGES)
    save_folders(desk.photos, *coloured_squares(PICTURES))
    _save_jpegs(desk.jpegs)
    _in_a_child(lambda: _train_until_killed(desk))
    common = ("--data", str(desk.data), "--epochs", str(EPOCHS), "--threads", "1")
    bundle = str(desk.bundle())
    _command(desk, "train", bundle, *common, "--out", str(desk.run))
    shutil.copytree(desk.half, desk.resumed)
    _command(desk, "train", bundle, *common, "--out", str(desk.resumed), "--resume")
    _command(desk, "finalize", str(desk.run), "--out", str(desk.model), "--allow-worse")
    _command(desk, "tune", bundle, "--out", str(desk.tuned), "--threads", "1", "--batch-size", "4")
    for model, path in ((desk.run, desk.predicted), (desk.model, desk.predicted_by_model)):
        path.write_bytes(_command(desk, "predict", str(model), str(desk.photos), "--threads", "1", "--json"))
    return desk


def is_possible() -> bool:
    """Whether the bundles are there that this starts from."""
    return COMPILED.is_dir()


def _save_jpegs(folder: Path) -> None:
    folder.mkdir()
    images, _ = coloured_squares(6, seed=3, size=24)
    kinds = {"rgb": "RGB", "grey": "L", "cmyk": "CMYK"}
    for image, (name, mode) in zip(images, kinds.items(), strict=False):
        Image.fromarray(image).convert(mode).save(folder / f"{name}.jpg", progressive=name == "grey")
    turned = Image.Exif()
    turned[0x0112] = 6
    turned[0x010E] = "a description"
    Image.fromarray(images[3]).save(folder / "turned.jpg", exif=turned.tobytes())
    Image.fromarray(images[4]).convert("P").save(folder / "palette.png", transparency=0)
    Image.fromarray(images[5]).convert("RGBA").save(folder / "alpha.png", exif=turned.tobytes())


class _Killed(Silent):
    """Ends the process as a pulled plug does, when the first epoch is safe."""

    def epoch(self, epoch: Epoch, total: int, best: bool) -> None:  # noqa: ARG002
        os._exit(0)


def _train_until_killed(desk: Desk) -> None:
    options = TrainOptions(data=desk.data, out=desk.half, epochs=EPOCHS, threads=1)
    train(desk.bundle(), options, _Killed())


def _in_a_child(work: Callable[[], None]) -> None:
    process = os.fork()
    if process == 0:
        try:
            work()
        finally:
            os._exit(1)
    _, status = os.waitpid(process, 0)
    if status:
        raise RuntimeError("the run to start from could not be made")


def _command(desk: Desk, *arguments: str) -> bytes:
    room = Room(desk.folder / "room")
    room.make()
    ended = run(arguments, room)
    shutil.rmtree(room.path)
    if ended.code:
        raise RuntimeError(f"{' '.join(arguments)} ended with {ended.code}: {ended.err.decode(errors='replace')}")
    return ended.out
