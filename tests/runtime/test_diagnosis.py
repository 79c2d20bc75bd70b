"""`diagnose` and `train --drift auto` on a small network that knows its images: each drift leads to its block."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from support.bundles import ALL_DRIFTS, ALL_PLAIN, ALL_PLANS, FRONT, HEAD, MIDDLE, compiled
from support.commands import Ended
from support.drifted import knowing_bundle, noised, save_drifted
from support.files import listing
from support.runs import Recorder, assert_equal_runs, fine_tune
from support.toys import coloured_squares, save_folders
from tbft_artifacts.errors import TbftError
from tbft_edge.pages.run_page import run_page
from tbft_runtime import DiagnoseOptions, Diagnosis, diagnose, read_report
from tbft_runtime.run.folder import RunFolder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("diagnosis")


@pytest.fixture(scope="module")
def knowing(place: Path) -> Path:
    """A bundle for every drift that gets the squares right."""
    return knowing_bundle(ALL_DRIFTS, place / "knowing")


@pytest.fixture(scope="module")
def same(place: Path) -> Path:
    """Images like those that it knows."""
    return save_drifted(place / "same.npz")


@pytest.fixture(scope="module")
def renamed(place: Path) -> Path:
    """The same with other labels."""
    return save_drifted(place / "renamed.npz", relabel=1)


def seen(bundle: Path, data: Path, samples: int = 128, seed: int = 0) -> Diagnosis:
    return diagnose(bundle, DiagnoseOptions(data, samples=samples, seed=seed, threads=1))


def test_other_labels_are_the_heads(knowing: Path, renamed: Path) -> None:
    """From few images as well, and whichever they are."""
    for samples, seed in ((128, 0), (50, 0), (50, 1)):
        found = seen(knowing, renamed, samples, seed)
        assert (found.plan, found.drift, found.blocks) == (HEAD, "output", ("fc",))
        assert found.labels is not None
        assert found.labels.accuracy < 0.1 < 0.9 < found.labels.means_accuracy


@pytest.mark.parametrize(("block", "sigma", "plan"), [("layer1", 0.5, FRONT), ("layer2", 0.5, MIDDLE), ("fc", 5, HEAD)])
def test_a_damaged_block_is_found(
    block: str, sigma: float, plan: str, knowing: Path, same: Path, tmp_path: Path
) -> None:
    """By where statistics begin to shift; damage to the head shifts none."""
    damaged = noised(knowing, tmp_path / block, block, sigma)
    found = seen(damaged, same)
    assert found.plan == plan, found.reasons
    before, after = (msgspec.structs.asdict(seen(bundle, same))["norms"] for bundle in (knowing, damaged))
    first = next((old.norm for old, new in zip(before, after, strict=True) if old != new), None)
    assert first == (None if block == "fc" else f"{block}.bn1")


def test_inputs_that_moved_are_the_fronts(knowing: Path, same: Path, tmp_path: Path) -> None:
    """Camera noise that leaves no class where its features were."""
    with np.load(same) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    noise = np.random.default_rng(0).normal(0, 150, images.shape)
    np.savez(tmp_path / "noisy.npz", images=np.clip(images + noise, 0, 255).astype(np.uint8), labels=labels)
    found = seen(knowing, tmp_path / "noisy.npz")
    assert (found.plan, found.drift) == (FRONT, "input"), found.reasons


def test_it_repeats_and_leaves_the_bundle_alone(knowing: Path, renamed: Path) -> None:
    """The same images by the same seed, and the same figures on two threads; nothing is written."""
    before = listing(knowing)
    first, again = (
        msgspec.structs.replace(diagnose(knowing, DiagnoseOptions(str(renamed), threads=threads)), seconds=0.0)
        for threads in (1, 2)
    )
    assert first == again
    assert listing(knowing) == before
    assert first.samples <= 128
    assert [candidate.plan for candidate in first.candidates] == list(ALL_PLANS[:-1])


def test_without_batch_norms_a_race_decides(place: Path, renamed: Path) -> None:
    """Statistics cannot tell; each candidate is tried on images that it was not trained on."""
    found = seen(knowing_bundle(ALL_PLAIN, place / "plain", epochs=30), renamed)
    assert found.norms == ()
    assert all(candidate.raced is not None for candidate in found.candidates)
    assert found.plan == max(reversed(found.candidates), key=lambda candidate: candidate.raced or 0.0).plan
    assert found.drift == "output"


@pytest.mark.parametrize("bundle", ["feature-frozen", "full-batch"])
def test_one_block_leaves_nothing_to_decide(bundle: str, same: Path, tmp_path: Path) -> None:
    """An error that names what there is, from both commands; no run folder is left behind."""
    with pytest.raises(TbftError, match=r"leaves no block to choose") as caught:
        seen(compiled(bundle), same)
    assert "`drift` all" in caught.value.hint
    with pytest.raises(TbftError, match=r"leaves no block to choose"):
        fine_tune(bundle, same, tmp_path / "run", drift="auto")
    assert not (tmp_path / "run").exists()


def test_too_few_images(knowing: Path, tmp_path: Path) -> None:
    """Or of one class only, or without labels: each says what is missing."""
    images, labels = coloured_squares(16)
    for name, these in (("few", labels), ("one", labels * 0), ("none", labels * 0 - 1)):
        np.savez(tmp_path / f"{name}.npz", images=images, labels=these)
        with pytest.raises(TbftError) as caught:
            seen(knowing, tmp_path / f"{name}.npz")
        assert "too few" in caught.value.message or "no image" in caught.value.message


def test_training_decides_first_and_resumes_without(knowing: Path, renamed: Path, tmp_path: Path) -> None:
    """The run is that of the plan it chose, bit for bit; it remembers why, and does not decide again."""
    run, told = tmp_path / "run", tmp_path / "told"
    recorder = Recorder()
    result = fine_tune(knowing, renamed, run, recorder, drift="auto", epochs=2)
    assert (result.plan, result.drift) == (HEAD, "output")
    assert any("output drift" in note for note in recorder.notes)
    fine_tune(knowing, renamed, told, plan=HEAD, epochs=2)
    assert_equal_runs(run, told)

    why = read_report(run).diagnosis
    assert why is not None
    stored = RunFolder(run).read_run()
    assert stored is not None
    assert stored.diagnosis == why
    assert msgspec.structs.replace(seen(knowing, renamed), seconds=0, epochs=2, share=None) == (
        msgspec.structs.replace(why, seconds=0, share=None)
    )
    assert read_report(told).diagnosis is None

    recorder = Recorder()
    assert fine_tune(knowing, renamed, run, recorder, drift="auto", epochs=3, resume=True).plan == HEAD
    assert not any("drift" in note for note in recorder.notes)
    assert read_report(run).diagnosis == why
    with pytest.raises(TbftError, match=r"`drift`"):
        fine_tune(knowing, renamed, run, drift="input", epochs=3, resume=True)


def test_validation_images_take_no_part(knowing: Path, same: Path, renamed: Path, tmp_path: Path) -> None:
    """Those with moved labels decide if they are trained on, and not if they are only validated on."""
    options = {"drift": "auto", "epochs": 1}
    assert fine_tune(knowing, renamed, tmp_path / "one", validation=same, **options).drift == "output"
    assert fine_tune(knowing, same, tmp_path / "other", validation=renamed, **options).drift != "output"


@pytest.mark.parametrize(("wrong", "said"), [({"plan": HEAD}, "both `plan`"), ({"epochs": 0}, "nothing to decide")])
def test_auto_with_what_contradicts_it(
    wrong: dict[str, object], said: str, knowing: Path, same: Path, tmp_path: Path
) -> None:
    """A plan that is named already, or a run that trains nothing."""
    with pytest.raises(TbftError, match=said):
        fine_tune(knowing, same, tmp_path / "run", drift="auto", **wrong)
    assert not (tmp_path / "run").exists()


def test_the_command_shows_a_row_per_block_and_why(
    knowing: Path, renamed: Path, tmp_path: Path, command: Callable[..., Ended]
) -> None:
    """For people and as data, from an .npz or folders."""
    ended = command("diagnose", knowing, "--data", renamed, "--threads", "1")
    assert ended.code == 0, ended
    assert all(plan in ended.out for plan in ALL_PLANS[:-1])
    assert "output drift: train fc" in ended.out
    assert "next: tbft-edge learn" in ended.err
    found = json.loads(command("diagnose", knowing, "--data", renamed, "--threads", "1", "--json").out)
    assert msgspec.convert(found, Diagnosis).plan == HEAD
    images, labels = coloured_squares(60, seed=4)
    folders = save_folders(tmp_path / "photos", images, (labels + 1) % 4)
    found = json.loads(command("diagnose", knowing, "--data", folders, "--samples", "40", "--json").out)
    assert (found["plan"], found["samples"] <= 40) == (HEAD, True)


def test_the_page_says_why(knowing: Path, renamed: Path, tmp_path: Path) -> None:
    """Only where the device chose."""
    fine_tune(knowing, renamed, tmp_path / "run", drift="auto", epochs=1)
    report = read_report(tmp_path / "run")
    assert report.diagnosis is not None
    page = run_page(report)
    assert "Why this block" in page
    assert all(plan in page for plan in ALL_PLANS[:-1])
    assert "Why this block" not in run_page(msgspec.structs.replace(report, diagnosis=None))
    shutil.rmtree(tmp_path / "run")
