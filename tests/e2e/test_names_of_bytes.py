"""Names of files are bytes: those that are no UTF-8 are trained on, told apart and found again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from support.commands import DEVICE, Ended, refused, run
from support.toys import coloured_squares, save_folders
from tbft_artifacts.stored_paths import from_stored

ODD = os.fsdecode(b"n\xe4me")
TRAIN = ("--epochs", "1", "--threads", "1", "--meter", "none")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Path:
    """A folder of such a name, with a bundle, and pictures of which some have one, too, and one cannot be read."""
    place = tmp_path_factory.mktemp("bytes") / ODD
    save_folders(place / "photos", *coloured_squares(48))
    folder = next(path for path in (place / "photos").iterdir() if path.is_dir())
    picture = next(folder.iterdir())
    shutil.copy(picture, folder / f"{ODD}{picture.suffix}")
    (folder / f"{ODD}2.jpg").touch()
    shutil.copytree(bundle, place / "bundle")
    return place


def good(*arguments: str | Path) -> Ended:
    ended = run(DEVICE, *arguments)
    assert ended.code == 0, ended
    return ended


@pytest.mark.long
def test_everything_works_with_them(odd: Path, tmp_path: Path) -> None:
    """Bundle, data, validation, run folder, metrics, model: each command, in words and as JSON."""
    out = odd / "run"
    data = ("--data", odd / "photos", "--val", odd / "photos")
    good("train", odd / "bundle", *data, "--out", out, *TRAIN, "--metrics-file", odd / "run.prom")
    kept = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert from_stored(kept["bundle"]) == odd / "bundle"
    assert from_stored(kept["settings"]["data"]) == odd / "photos"
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert any(name.endswith("n\\xe4me2.jpg") for name in report["result"]["skipped_images"])
    assert b"n\\\\xe4me" in (odd / "run.prom").read_bytes()
    good("train", odd / "bundle", *data, "--out", out, *TRAIN[2:], "--epochs", "2", "--resume", "--json")
    good("finalize", out, "--out", odd / "m.onnx", "--allow-worse")
    for model in (out, odd / "m.onnx", odd / "bundle"):
        for form in ((), ("--json",)):
            good("predict", model, odd / "photos", *form)
            good("eval", model, "--data", odd / "photos", *form)
    for form in ("table", "html", "json", "csv", "markdown"):
        good("report", out, "--format", form)
    good("corrupt", odd / "photos", "--name", "fog", "--out", odd / "foggy", "--json")
    good("tune", odd / "bundle", "--out", odd / "tuned", "--threads", "1")
    good("doctor", odd / "bundle", "--out", odd)
    good("compare", odd / "bundle", "--data", odd / "photos", "--out", odd / "compared", "--epochs", "1", "--json")


def test_what_predict_says_can_be_read_by_anybody(odd: Path) -> None:
    """JSON shows the bytes as reports and `eval` do: half a surrogate pair is refused by strict readers."""
    found = json.loads(good("predict", odd / "bundle", odd / "photos", "--json").out)
    names = [each["image"].encode() for each in found]
    assert any(Path(name.decode()).name.startswith("n\\xe4me") for name in names)
    shown = good("predict", odd / "bundle", odd / "photos").out
    assert [line.split("\t")[0] for line in shown.splitlines()] == [name.decode() for name in names]


def test_what_is_refused_leaves_nothing(odd: Path, tmp_path: Path) -> None:
    """Before anything is trained, in one line in which the name can be told from others."""
    photos = tmp_path / "photos"
    shutil.copytree(odd / "photos", photos)
    (photos / ODD).mkdir()
    refusal = refused(run(DEVICE, "train", odd / "bundle", "--data", photos, "--out", tmp_path / ODD, *TRAIN))
    assert "n\\xe4me" in refusal.message
    assert not (tmp_path / ODD).exists()


@pytest.mark.parametrize(
    "name", ["-leading", "a\nb", "a\tb", "a\x1b[31mb", "a\u202eb", "a\u2028b", "\u3164", "`out`", "m" * 255]
)
def test_strange_names_of_runs(name: str, odd: Path, tmp_path: Path) -> None:
    """All that a file system takes is taken, and shown as no more than a name."""
    out = tmp_path / name
    ended = good("train", odd / "bundle", "--data", odd / "photos", "--out", out, *TRAIN)
    assert not set("\x1b\u202e\u2028\u3164") & set(ended.out + ended.err)
    assert "`out`" in ended.err if name == "`out`" else True
    model = tmp_path / f"{name[:249]}.onnx"
    good("finalize", out, "--out", model, "--allow-worse")
    assert model.exists()
    good("predict", model, odd / "photos")
