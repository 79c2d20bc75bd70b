"""What `diagnose` advises on a network that knows its images; the command that it prints runs as it stands."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from support.bundles import ALL_DRIFTS, ALL_PLAIN, FRONT, HEAD, MIDDLE, compiled
from support.commands import Ended
from support.drifted import knowing_bundle, noised, save_drifted, with_weights
from support.runs import Recorder, fine_tune, state_of
from support.toys import NO_LABEL, coloured_squares, png
from tbft_artifacts.errors import TbftError
from tbft_edge.facts.advice import advised
from tbft_edge.facts.run import groups
from tbft_edge.pages.run_page import run_page
from tbft_runtime import DiagnoseOptions, Diagnosis, diagnose, read_report

# Camera noise that leaves no class where its features were.
NOISE = 150
IMAGES = 500


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("advice")


@pytest.fixture(scope="module")
def knowing(place: Path) -> Path:
    """A bundle for every drift that gets the squares right, with statistics of them all and not of its last batches."""
    trained, run = knowing_bundle(ALL_DRIFTS, place / "trained"), place / "statistics"
    fine_tune(trained, saved(place / "same.npz", IMAGES), run, plan=HEAD, batch_norm="adapt", epochs=0)
    return with_weights(trained, place / "knowing", state_of(run).best)


def saved(file: Path, labelled: int, sigma: float = 0.0, relabel: int = 0) -> Path:
    """Squares in a file, under noise, of which the first have labels, moved on by `relabel` classes."""
    images, labels = coloured_squares(IMAGES, seed=9)
    noise = np.random.default_rng(0).normal(0, sigma, images.shape)
    labels = np.where(np.arange(IMAGES) < labelled, (labels + relabel) % 4, NO_LABEL)
    np.savez(file, images=np.clip(images + noise, 0, 255).astype(np.uint8), labels=labels)
    return file


def loose(folder: Path, sigma: float) -> Path:
    """The same as pictures in no folder of a class."""
    folder.mkdir()
    images, _ = coloured_squares(64, seed=3)
    noise = np.random.default_rng(0).normal(0, sigma, images.shape)
    for number, image in enumerate(np.clip(images + noise, 0, 255).astype(np.uint8)):
        (folder / f"{number}.png").write_bytes(png(image))
    return folder


def printed(ended: Ended) -> list[str]:
    """The words of the command that stands behind `next:`."""
    assert ended.code == 0, ended
    line = next(line for line in ended.err.splitlines() if line.startswith("next: tbft-edge "))
    return shlex.split(line.removeprefix("next: tbft-edge ").partition(", label these")[0])


@pytest.mark.parametrize(
    ("labelled", "options", "words"),
    [
        (IMAGES, {"sigma": NOISE}, f"train --plan {FRONT}"),
        (60, {"sigma": NOISE}, f"train --plan {FRONT} --labels none --check-labels 50"),
        (40, {"sigma": NOISE}, f"train --plan {FRONT} --labels none"),
        (0, {"sigma": NOISE}, f"train --plan {FRONT} --labels none"),
        (IMAGES, {"relabel": 1}, "learn"),
        (40, {"relabel": 1}, "learn"),
    ],
)
def test_the_printed_command_runs(
    labelled: int,
    options: dict[str, float],
    words: str,
    knowing: Path,
    tmp_path: Path,
    command: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For drift of the input and of the output, with many labels, some and none; a shell would split the name."""
    monkeypatch.chdir(tmp_path)
    data = saved(tmp_path / "field photos.npz", labelled, **options)  # type: ignore[arg-type]
    ended = command("diagnose", knowing, "--data", data, "--threads", "1")
    way, *rest = words.split()
    assert printed(ended) == [way, str(knowing), "--data", str(data), *rest, "--out", "run"]
    assert "advised: " in ended.out
    assert command(*printed(ended), "--threads", "1", "--meter", "none").code == 0
    assert read_report(tmp_path / "run").result.plan == (HEAD if way == "learn" else FRONT)


def test_features_take_labels(
    knowing: Path, tmp_path: Path, command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With those that there are, or that check; or it names images to label, since no other command could be run."""
    monkeypatch.chdir(tmp_path)
    damaged = noised(knowing, tmp_path / "damaged", "layer2", 0.5)
    ways = {
        IMAGES: ["train", "--plan", MIDDLE, "--out", "run"],
        50: ["train", "--plan", MIDDLE, "--labels", "none", "--check-labels", "50", "--out", "run"],
        40: ["train", "--plan", MIDDLE, "--out", "run"],
        0: ["diagnose", "--ask", "20"],
    }
    for labelled, (way, *more) in ways.items():
        data = saved(tmp_path / f"{labelled}.npz", labelled)
        ended = command("diagnose", damaged, "--data", data, "--threads", "1")
        assert "feature drift: train layer2" in ended.out
        assert "advised: train" in ended.out
        assert printed(ended) == [way, str(damaged), "--data", str(data), *more]
        assert command(*printed(ended), "--threads", "1").code == 0
        shutil.rmtree(tmp_path / "run", ignore_errors=True)


def test_nothing_drifted(knowing: Path, tmp_path: Path, command: Callable[..., Ended]) -> None:
    """Images as it knows them, with labels or without."""
    for labelled in (IMAGES, 0):
        ended = command("diagnose", knowing, "--data", saved(tmp_path / "same.npz", labelled), "--threads", "1")
        assert "nothing seems to have drifted" in ended.out
        assert "next: nothing: leave the model as it is" in ended.err


def test_loose_pictures_will_do(knowing: Path, tmp_path: Path, command: Callable[..., Ended]) -> None:
    """As for `train --labels none`; both commands take the same folder."""
    folder = loose(tmp_path / "photos", NOISE)
    ended = command("diagnose", knowing, "--data", folder, "--threads", "1", "--json")
    found = msgspec.convert(json.loads(ended.out), Diagnosis)
    assert (found.plan, found.labelled, found.labels, found.samples) == (FRONT, False, None, 64)
    assert found.advice is not None
    assert (found.advice.way, found.advice.at_hand) == ("unlabelled", 0)


def test_without_labels_and_without_norms_nobody_can_tell(tmp_path: Path) -> None:
    """A race needs labels."""
    with pytest.raises(TbftError, match="no batch norms") as caught:
        diagnose(compiled(ALL_PLAIN), DiagnoseOptions(saved(tmp_path / "none.npz", 0), threads=1))
    assert "label at least 20" in caught.value.hint


def test_auto_without_labels_takes_the_input_or_says_what_is_missing(knowing: Path, tmp_path: Path) -> None:
    """By statistics alone, with or without labels in the data; nothing is written where they do not say that."""
    options = {"drift": "auto", "labels": "none", "epochs": 1}
    for labelled in (0, IMAGES):
        result = fine_tune(
            knowing, saved(tmp_path / "noisy.npz", labelled, NOISE), tmp_path / f"run{labelled}", **options
        )
        assert (result.plan, result.labels) == (FRONT, "none")
        why = read_report(tmp_path / f"run{labelled}").diagnosis
        assert why is not None
        assert (why.labelled, why.labels) == (False, None)
    damaged = noised(knowing, tmp_path / "damaged", "layer2", 0.5)
    for bundle, said in ((knowing, "nothing seems to have drifted"), (damaged, "layer2, which takes labels")):
        with pytest.raises(TbftError, match=said):
            fine_tune(bundle, saved(tmp_path / "same.npz", 0), tmp_path / "refused", **options)
        assert not (tmp_path / "refused").exists()
    some = saved(tmp_path / "some.npz", 60)
    checked = fine_tune(damaged, some, tmp_path / "checked", check_labels=50, **options)
    assert (checked.plan, checked.verified) == (MIDDLE, True)


def test_a_run_says_where_another_way_is_advised(knowing: Path, tmp_path: Path) -> None:
    """Before it trains all the same; terminal, report and page have it by one fact."""
    recorder = Recorder()
    data = save_drifted(tmp_path / "renamed.npz", relabel=1)
    fine_tune(knowing, data, tmp_path / "run", recorder, drift="auto", epochs=1)
    assert any("advised is a head in closed form, by 'learn'" in note for note in recorder.notes)
    report = read_report(tmp_path / "run")
    assert report.diagnosis is not None
    assert report.diagnosis.advice is not None
    fact = advised(report.diagnosis.advice)
    assert fact in [each for group in groups(report) for each in group.facts]
    assert f"Advised: {fact.words}" in run_page(report)

    recorder = Recorder()
    fine_tune(
        knowing, saved(tmp_path / "noisy.npz", IMAGES, NOISE), tmp_path / "other", recorder, drift="auto", epochs=1
    )
    assert not any("advised" in note for note in recorder.notes)
    before = msgspec.structs.replace(report.diagnosis, advice=None)
    assert "Advised" not in run_page(msgspec.structs.replace(report, diagnosis=before))
