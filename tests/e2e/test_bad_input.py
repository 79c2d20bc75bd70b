"""Bad input ends in one error line and a hint, exit code 2, and nothing half-written."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from support.commands import DEVICE, EXPORT, HOST, Ended, Refusal, Step, refused, run
from support.files import listing
from support.toys import coloured_squares, png, save_folders, save_squares
from tbft_artifacts.manifest import FORMAT, MANIFEST
from tbft_edge.main import main

IMAGES, LABELS = coloured_squares(8)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Where outputs of a test go: what is there before has to be there afterwards, and nothing else."""
    folder = tmp_path / "desk"
    folder.mkdir()
    return folder


Export = Callable[..., Refusal]


@pytest.fixture
def export(desk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Export:
    """The error of an export, which leaves the desk as it was. Runs in this process: torch is imported only once."""

    def run_here(*arguments: str | Path) -> Refusal:
        before = listing(desk)
        monkeypatch.setattr(sys, "argv", ["tbft-edge", "export", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        written = capfd.readouterr()
        assert isinstance(caught.value.code, int)
        assert listing(desk) == before
        return refused(Ended(caught.value.code, written.out, written.err))

    return run_here


def device(desk: Path, *arguments: str | Path) -> Refusal:
    """The same for a command on the device."""
    before = listing(desk)
    refusal = refused(run(DEVICE, *arguments))
    assert listing(desk) == before
    return refusal


def test_weights_that_do_not_fit_are_named(export: Export, desk: Path, tmp_path: Path) -> None:
    """Which tensors are missing, unexpected or of another shape, and what to check."""
    weights = {
        "fc.weight": np.zeros((3, 7), np.float32),
        "fc.bias": np.zeros(4, np.float32),
        "odd": np.zeros(1, np.float32),
    }
    save_file(weights, tmp_path / "weights.safetensors")
    refusal = export(
        *("--model", "support.tiny_models:tiny", "--image-size", "8", "--drift", "output"),
        *("--weights", tmp_path / "weights.safetensors", "--out", desk / "bundle"),
    )
    assert "missing conv1.weight" in refusal.message
    assert "do not fit" in refusal.message
    assert "--classes" in refusal.hint


def test_an_operator_without_a_gradient_is_named(desk: Path) -> None:
    """Operator and node, so that the user finds the layer."""
    model = ("--model", "support.tiny_models:tiny_elu", "--image-size", "8")
    refusal = refused(run(HOST, "export", *model, "--drift", "input", "--out", desk / "bundle"))
    assert "Elu" in refusal.message
    assert "/relu/" in refusal.message
    assert listing(desk) == {}


def test_an_unknown_block_lists_the_known(export: Export, desk: Path) -> None:
    """The hint can be copied into --block."""
    refusal = export(*EXPORT[1:], "--block", "layer9", "--out", desk / "bundle.tar.gz")
    assert "layer9" in refusal.message
    assert "layer1, layer2, fc" in refusal.hint


@pytest.mark.parametrize(
    ("model", "named"),
    [("resnet99", "resnet99"), ("support.tiny_models:nothing", "nothing"), ("nowhere.onnx", "nowhere.onnx")],
)
def test_an_unknown_model_is_named(export: Export, desk: Path, model: str, named: str) -> None:
    """A built-in name, a factory, a file: whichever was meant."""
    refusal = export("--model", model, "--drift", "output", "--image-size", "8", "--out", desk / "bundle")
    assert named in refusal.message


def test_missing_weights_are_named(export: Export, desk: Path) -> None:
    """A mistyped path."""
    refusal = export("--model", "resnet26", "--weights", "nowhere.pth", "--drift", "output", "--out", desk / "bundle")
    assert "nowhere.pth" in refusal.message


def test_an_export_does_not_overwrite(export: Export, desk: Path) -> None:
    """A folder that is not empty is refused, and stays."""
    (desk / "bundle").mkdir()
    (desk / "bundle" / "notes.txt").write_text("mine")
    assert "exists already" in export(*EXPORT[1:], "--out", desk / "bundle").message


Data = Callable[[Path], Path]


def bad_labels(folder: Path) -> Path:
    np.savez(folder / "data.npz", images=IMAGES, labels=np.where(LABELS == 2, 7, LABELS))
    return folder / "data.npz"


def no_labels(folder: Path) -> Path:
    np.savez(folder / "data.npz", images=IMAGES)
    return folder / "data.npz"


def no_images(folder: Path) -> Path:
    (folder / "photos" / "ant").mkdir(parents=True)
    return folder / "photos"


def only_broken_images(folder: Path) -> Path:
    (no_images(folder) / "ant" / "broken.png").write_bytes(b"no picture")
    return folder / "photos"


def unknown_class(folder: Path) -> Path:
    return save_folders(folder / "photos", IMAGES, LABELS, ("ant", "bee", "cat", "wolf"))


def other_names(folder: Path) -> Path:
    np.savez(folder / "data.npz", images=IMAGES, labels=LABELS, classes=["bee", "ant", "cat", "dog"])
    return folder / "data.npz"


def grey_images(folder: Path) -> Path:
    np.savez(folder / "data.npz", images=IMAGES[..., 0], labels=LABELS)
    return folder / "data.npz"


def objects(folder: Path) -> Path:
    np.savez(folder / "data.npz", images=IMAGES, labels=np.array([None] * 8, object))
    return folder / "data.npz"


def damaged(folder: Path) -> Path:
    content = save_squares(folder / "data.npz").read_bytes()
    (folder / "data.npz").write_bytes(content[: len(content) // 2])
    return folder / "data.npz"


def missing(folder: Path) -> Path:
    return folder / "nowhere"


BAD_DATA: dict[str, tuple[Data, str]] = {
    "labels out of range": (bad_labels, "label 7 of image 2"),
    "no labels": (no_labels, "has a label"),
    "no images": (no_images, "no images"),
    "only broken images": (only_broken_images, "1 could not be read"),
    "unknown class": (unknown_class, "wolf"),
    "other class names": (other_names, "bee, ant, cat, dog"),
    "grey images": (grey_images, "(8, 8, 8)"),
    "pickled labels": (objects, "cannot be read"),
    "damaged file": (damaged, "cannot be read"),
    "missing data": (missing, "does not exist"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_training_data(case: str, bundle: Path, desk: Path, tmp_path: Path) -> None:
    """Refused before a run begins: the same --out can be used for the next try."""
    make, words = BAD_DATA[case]
    refusal = device(desk, "train", bundle, "--data", make(tmp_path), "--out", desk / "run", "--epochs", "1")
    assert words in refusal.message


def test_bad_validation_data(bundle: Path, data: Path, desk: Path, tmp_path: Path) -> None:
    """What was prepared of --data is gone too."""
    refusal = device(
        desk, "train", bundle, "--data", data, "--val", bad_labels(tmp_path), "--out", desk / "run", "--epochs", "1"
    )
    assert "label 7" in refusal.message


@pytest.mark.parametrize("case", ["labels out of range", "no labels", "no images", "missing data"])
def test_bad_evaluation_data(case: str, finalized: Step, desk: Path, tmp_path: Path) -> None:
    """The same words from `eval`."""
    make, _ = BAD_DATA[case]
    device(desk, "eval", finalized.path, "--data", make(tmp_path))


@pytest.fixture
def spoilt(bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle to damage."""
    return shutil.copytree(bundle, tmp_path / "spoilt")


def flip_a_byte(folder: Path) -> None:
    (path,) = folder.rglob("gradient.onnx")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def remove_weights(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()


def make_newer(folder: Path) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(content | {"format": FORMAT + 1, "novelty": True}))


def break_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text("{")


SPOILT: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "changed byte": (flip_a_byte, "gradient.onnx", "copy"),
    "missing file": (remove_weights, "weights.safetensors", "copy"),
    "newer format": (make_newer, f"format {FORMAT + 1}", "upgrade"),
    "broken manifest": (break_manifest, MANIFEST, "export"),
}


@pytest.mark.parametrize(
    ("name", "case"), [*(("train", case) for case in SPOILT), ("eval", "changed byte"), ("inspect", "newer format")]
)
def test_a_spoilt_bundle(case: str, name: str, spoilt: Path, data: Path, desk: Path) -> None:
    """Every command that reads a bundle names what is wrong with it, and says what to do."""
    spoil, words, hint = SPOILT[case]
    spoil(spoilt)
    arguments = {"train": ("--data", data, "--out", desk / "run"), "eval": ("--data", data), "inspect": ()}[name]
    refusal = device(desk, name, spoilt, *arguments)
    assert words in refusal.message
    assert hint in refusal.hint


def test_a_damaged_archive(exported: Step, data: Path, desk: Path, tmp_path: Path) -> None:
    """Cut short on the way to the device: the archive is named, and no part of it stays in the run."""
    archive = tmp_path / "cut.tar.gz"
    archive.write_bytes(exported.path.read_bytes()[:-1000])
    refusal = device(desk, "train", archive, "--data", data, "--out", desk / "run")
    assert str(archive) in refusal.message
    assert "damaged" in refusal.message


@pytest.mark.parametrize(
    "arguments",
    [
        "tune {nowhere} --out {desk}/run",
        "tune {data} --out {desk}/run",
        "train {nowhere} --data {data} --out {desk}/run",
        "train {nowhere}.tar.gz --data {data} --out {desk}/run",
        "train {data} --data {data} --out {desk}/run",
        "eval {nowhere} --data {data}",
        "eval {nowhere}.onnx --data {data}",
        "predict {nowhere}.onnx {data}",
        "predict {model} {nowhere}.png",
        "finalize {nowhere} --out {desk}/model.onnx",
        "finalize {bundle} --out {desk}/model.onnx",
        "inspect {nowhere}",
        "inspect {nowhere}.tar.gz",
    ],
)
def test_missing_or_mistaken_paths(
    arguments: str, bundle: Path, data: Path, finalized: Step, desk: Path, tmp_path: Path
) -> None:
    """Every path argument of every device command."""
    names = {"nowhere": tmp_path / "nowhere", "data": data, "desk": desk, "bundle": bundle, "model": finalized.path}
    words = [word.format(**names) for word in arguments.split()]
    assert str(tmp_path) in device(desk, *words).message or "{nowhere}" not in arguments


def test_a_run_is_not_overwritten(trained: Step, exported: Step, data: Path) -> None:
    """--out that holds a run: the hint names --resume, and the run stays."""
    assert trained.ended.code == 0
    refusal = device(trained.path, "train", exported.path, "--data", data, "--out", trained.path)
    assert "--resume" in refusal.hint


def test_a_file_in_place_of_the_run(bundle: Path, data: Path, desk: Path) -> None:
    """--out that is a file."""
    (desk / "run").write_text("mine")
    assert str(desk / "run") in device(desk, "train", bundle, "--data", data, "--out", desk / "run").message


def test_files_of_the_user_stay(bundle: Path, desk: Path, tmp_path: Path) -> None:
    """--out that holds other things, and a run that cannot start: what was there is there."""
    (desk / "run").mkdir()
    (desk / "run" / "notes.txt").write_text("mine")
    device(desk, "train", bundle, "--data", bad_labels(tmp_path), "--out", desk / "run")


def test_finalize_into_nowhere(trained: Step, desk: Path) -> None:
    """A folder that does not exist, or one in place of the file."""
    (desk / "folder").mkdir()
    for out in (desk / "nowhere" / "model.onnx", desk / "folder"):
        assert "cannot be written" in device(desk, "finalize", trained.path, "--out", out).message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--epochs 0", "nothing is trained"),
        ("--bn batch", "cannot train with --bn batch"),
        ("--plan rear", "no plan 'rear'"),
        ("--lr nan", "--lr nan"),
        ("--epochs many", "--epochs"),
        ("--batch-size 0", "--batch-size"),
        ("--bn sometimes", "--bn"),
        ("--unheard-of", "--unheard-of"),
    ],
)
def test_options_that_make_no_sense(options: str, words: str, bundle: Path, data: Path, desk: Path) -> None:
    """Whether the command line or the bundle rules them out, they end alike."""
    refusal = device(desk, "train", bundle, "--data", data, "--out", desk / "run", *options.split())
    assert words in refusal.message


@pytest.mark.parametrize("arguments", ["train", "predict", "nonsense", "eval x --data"])
def test_incomplete_command_lines(arguments: str, desk: Path) -> None:
    """The hint points at the help."""
    assert "--help" in device(desk, *arguments.split()).hint


@pytest.mark.parametrize("arguments", ["export --model resnet26 --drift output --out {desk}/bundle", "ops"])
def test_a_host_command_on_the_device(arguments: str, desk: Path) -> None:
    """Which package is missing, and how to install the half that brings it."""
    refusal = device(desk, *arguments.format(desk=desk).split())
    assert "is not installed here" in refusal.message
    assert "tbft-edge[export]" in refusal.hint


def test_names_cannot_forge_output(bundle: Path, desk: Path, tmp_path: Path) -> None:
    """A folder whose name holds a line break and a terminal's escape code stays inside one line."""
    evil = tmp_path / "photos" / "x\nerror: forged\x1b[31m"
    evil.mkdir(parents=True)
    (evil / "a.png").write_bytes(png(IMAGES[0]))
    ended = run(DEVICE, "train", bundle, "--data", tmp_path / "photos", "--out", desk / "run")
    assert ended.code == 2
    assert "\x1b" not in ended.err
    assert [line for line in ended.err.splitlines() if line.startswith("error: ")] == ended.err.splitlines()[:1]
