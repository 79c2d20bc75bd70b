"""From a trained network to a fine-tuned file, across both environments, as a user goes it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import click
import numpy as np
import pytest
import typer.main

from support.bundles import CLASSES, read_manifest
from support.commands import DEVICE, EXPORT, HOST, Ended, Step, run
from support.toys import coloured_squares, png, save_folders
from tbft_edge.main import app

COMMANDS = (
    *("export", "diagnose", "tune", "train", "learn", "eval", "predict", "bank"),
    *("corrupt", "finalize", "report", "compare", "inspect", "doctor", "reproduce", "bench", "ops"),
)
# Has commands of its own, which `tests/agent/test_service_help.py` covers.
GROUPS = ("agent", "fleet")


def answer(ended: Ended) -> object:
    """What a command with --json said; stdout holds nothing else."""
    assert ended.code == 0, ended
    return json.loads(ended.out)


def test_export_reports_what_it_wrote(exported: Step, bundle: Path) -> None:
    """The report is that of the bundle, and its self-check compared with PyTorch."""
    report, manifest = exported.json, read_manifest(bundle)
    assert report["bundle"] == str(exported.path)
    assert report["bundle_id"] == manifest.bundle_id
    assert (report["plan"], report["blocks"]) == (manifest.plans[0].id, ["layer2"])
    assert 0 < report["trainable_parameters"] < report["full_parameters"]
    assert report["check"]["formulas"] < 1e-6
    assert report["check"]["kernels"] <= 1
    assert manifest.classes == CLASSES


def test_training_lowers_the_loss(trained: Step) -> None:
    """On the device, with nothing but stock ONNX Runtime, from the archive that the host made."""
    result = trained.json
    assert result["loss_after"] < 0.7 * result["loss_before"]
    assert result["accuracy_after"] > result["accuracy_before"]
    assert (result["epochs"], result["threads"], result["skipped_images"]) == (10, 1, [])
    assert result["run"] == str(trained.path)
    assert json.loads((trained.path / "report.json").read_text())["result"] == result


def test_words_go_to_stderr(trained: Step) -> None:
    """With --json every epoch is still told, but not among the data."""
    lines = trained.ended.err.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"epoch {number}/10" for number in range(1, 11)]


def test_a_run_and_its_finalized_file_evaluate_alike(trained: Step, finalized: Step, fresh: Path) -> None:
    """The file that is deployed is the model that was validated, and better than the base on fresh images."""
    base, run_result, file_result = (
        answer(run(DEVICE, "eval", model, "--data", fresh, "--threads", "1", "--json"))
        for model in (trained.path / "bundle", trained.path, finalized.path)
    )
    assert isinstance(base, dict)
    assert isinstance(run_result, dict)
    assert isinstance(file_result, dict)
    compared = ("accuracy", "loss", "images", "accuracy_per_class", "skipped_images")
    assert {name: run_result[name] for name in compared} == {name: file_result[name] for name in compared}
    assert file_result["loss"] < 0.7 * base["loss"]
    assert file_result["images"] == 40
    assert list(file_result["accuracy_per_class"]) == list(CLASSES)


def test_finalize_reports_what_it_wrote(trained: Step, finalized: Step) -> None:
    """Path, size, and the run's own accuracies."""
    assert finalized.json == {
        "model": str(finalized.path),
        "bytes": finalized.path.stat().st_size,
        "accuracy_before": trained.json["accuracy_before"],
        "accuracy_after": trained.json["accuracy_after"],
        "left_out": [],
        "blend": 1.0,
        "old_accuracy": None,
    }


def test_predictions_as_table_and_as_json_agree(finalized: Step, tmp_path: Path) -> None:
    """Tab-separated lines for people and pipes, JSON for programs; one line per picture."""
    images, _ = coloured_squares(5, seed=3)
    for index, image in enumerate(images):
        (tmp_path / f"{index}.png").write_bytes(png(image))
    found = answer(run(DEVICE, "predict", finalized.path, tmp_path, "--json"))
    assert isinstance(found, list)
    lines = run(DEVICE, "predict", finalized.path, tmp_path).out.splitlines()
    assert len(lines) == len(found) == 5
    for line, prediction in zip(lines, found, strict=True):
        image, label, probability = line.split("\t")
        assert (image, label) == (prediction["image"], prediction["label"])
        assert probability == f"{prediction['probability']:.1%}"


def test_a_folder_of_photos_is_trained_and_evaluated(bundle: Path, tmp_path: Path) -> None:
    """The other kind of data; an unreadable picture is skipped, counted and named in both commands."""
    images, labels = coloured_squares(24)
    save_folders(tmp_path / "photos", images, np.where(np.arange(24) == 5, -1, labels))
    (tmp_path / "photos" / "cat" / "broken.jpg").write_bytes(b"no picture")
    ended = run(DEVICE, "train", bundle, "--data", tmp_path / "photos", "--out", tmp_path / "run", "--epochs", "1")
    assert ended.code == 0, ended
    assert "skipped 1 unreadable images: 'cat/broken.jpg'" in ended.err
    assert "1 unlabelled, 1 unreadable" in ended.out
    ended = run(DEVICE, "eval", tmp_path / "run", "--data", tmp_path / "photos")
    assert "over 23 images" in ended.out
    assert "cat/broken.jpg" in ended.err


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ((), "48 of 48 images, fp32 on the disk, 49.2 kB"),
        (("--cache", "fp16", "--cache-in", "ram"), "48 of 48 images, fp16 in memory, 24.6 kB"),
        (("--cache", "off"), "off: switched off"),
    ],
)
def test_the_page_says_how_activations_were_kept(
    options: tuple[str, ...], line: str, bundle: Path, data: Path, tmp_path: Path
) -> None:
    """48 images of 4 x 8 x 8 activations."""
    ended = run(DEVICE, "train", bundle, "--data", data, "--out", tmp_path / "run", "--epochs", "1", *options)
    assert ended.code == 0, ended
    (shown,) = [row for row in ended.out.splitlines() if row.startswith("activation cache")]
    assert line in shown


def test_tune_measures_and_train_takes_it(bundle: Path, data: Path, tmp_path: Path) -> None:
    """Tables on stdout, words on stderr, and the next command; what was chosen is in the run's result."""
    ended = run(DEVICE, "tune", bundle, "--out", tmp_path / "run")
    assert ended.code == 0, ended
    # Parts of a batch have statistics of their own: they stay as they are, and no thread waits for another.
    assert "threads spin" not in ended.out
    assert "images at once per thread" not in ended.out
    assert "Chosen in" in ended.out
    assert f"next: tbft-edge train {bundle} --data … --out {tmp_path / 'run'}\n" in ended.err
    tuning = answer(run(DEVICE, "tune", bundle, "--out", tmp_path / "run", "--json"))
    kept = json.loads((tmp_path / "run" / "tuning.json").read_text())
    assert len(kept.pop("sha256")) == 64
    assert tuning == kept
    ended = run(DEVICE, "train", bundle, "--data", data, "--out", tmp_path / "run", "--epochs", "1", "--json")
    result = answer(ended)
    assert isinstance(tuning, dict)
    assert isinstance(result, dict)
    assert (result["tuned"], result["execution"]) == (True, tuning["chosen"]["execution"])
    assert result["threads"] == tuning["chosen"]["threads"]
    assert f"runs as measured in '{tmp_path / 'run' / 'tuning.json'}'" in ended.err.splitlines()


def test_statistics_alone_from_unlabelled_photos(bundle: Path, tmp_path: Path) -> None:
    """`--bn adapt --epochs 0`: no label is needed, and the result can be finalized."""
    save_folders(tmp_path / "photos", coloured_squares(12)[0], [-1] * 12)
    options = ("--data", tmp_path / "photos", "--out", tmp_path / "run", "--bn", "adapt", "--epochs", "0", "--json")
    result = answer(run(DEVICE, "train", bundle, *options))
    assert isinstance(result, dict)
    assert (result["unlabelled_images"], result["steps"], result["accuracy_after"]) == (12, 0, None)
    finalized = run(DEVICE, "finalize", tmp_path / "run", "--out", tmp_path / "model.onnx", "--json")
    assert finalized.code == 0, finalized


def test_a_profile_is_shown_before_the_result(bundle: Path, data: Path, tmp_path: Path) -> None:
    """The longest operators and layers; with --json stdout holds the result alone."""
    options = ("--data", data, "--epochs", "1", "--threads", "1", "--profile")
    shown = run(DEVICE, "train", bundle, "--out", tmp_path / "shown", *options)
    assert shown.code == 0, shown
    assert shown.out.index("Operators") < shown.out.index("Layers") < shown.out.index("validation accuracy")
    assert "layer2.conv1 (backward)" in shown.out
    assert isinstance(answer(run(DEVICE, "train", bundle, "--out", tmp_path / "json", *options, "--json")), dict)


def test_inspect_works_in_both_environments(exported: Step, bundle: Path) -> None:
    """The manifest as JSON is the same from the archive and the folder, on host and device."""
    answers = [
        answer(run(environment, "inspect", path, "--json"))
        for environment in (HOST, DEVICE)
        for path in (exported.path, bundle)
    ]
    assert all(found == answers[0] for found in answers)
    assert isinstance(answers[0], dict)
    assert answers[0]["bundle_id"] == exported.json["bundle_id"]


def test_inspect_shows_a_page_for_people(bundle: Path) -> None:
    """Model, classes and what the plan trains, without --json."""
    ended = run(DEVICE, "inspect", bundle)
    assert ended.code == 0, ended
    assert "support.tiny_models:tiny" in ended.out
    assert ", ".join(CLASSES) in ended.out
    assert "layer2" in ended.out
    rows = [line.split() for line in ended.out.splitlines()]
    (plan,) = read_manifest(bundle).plans
    assert ["bn1", "8", "–"] in rows  # Scale and shift of four channels; the plan trains the stage alone.
    assert ["layer2", str(plan.cost.parameter_bytes // 4), plan.id] in rows
    assert ended.err == ""


def test_ops_lists_the_lowerings() -> None:
    """Every operator that can be trained through, once, with its formula."""
    listed = answer(run(HOST, "ops", "--json"))
    assert isinstance(listed, list)
    operators = [entry["operator"] for entry in listed]
    assert len(set(operators)) == len(operators) > 5
    assert all(entry["formula"] for entry in listed)


@pytest.mark.long
def test_an_export_can_be_repeated(bundle: Path, tmp_path: Path) -> None:
    """Equal input, equal files and id; without --json there are tables on stdout and words on stderr."""
    names = ",".join(CLASSES)
    ended = run(HOST, *EXPORT, "--classes", names, "--out", tmp_path / "again", variables={"PYTHONHASHSEED": "7"})
    assert ended.code == 0, ended
    assert "feature drift: trains layer2" in ended.out
    assert "full fine-tuning" in ended.out
    assert "ort_training" not in ended.out + ended.err
    assert "checked one train step: formulas within" in ended.err
    again, manifest = read_manifest(tmp_path / "again"), read_manifest(bundle)
    assert {name for name in manifest.files if again.files[name] != manifest.files[name]} == set()
    assert again.bundle_id == manifest.bundle_id


@pytest.mark.parametrize("environment", [HOST, DEVICE], ids=["host", "device"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_json(environment: Path, name: str) -> None:
    """Help comes in both environments, whatever is installed there, and names --json."""
    ended = run(environment, name, "--help")
    assert ended.code == 0, ended
    assert ended.err == ""
    assert ended.out.startswith(f"Usage: tbft-edge {name} ")
    assert "--json" in ended.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    """No argument and no option is left for the user to guess."""
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group)
    for parameter in group.commands[name].params:
        assert getattr(parameter, "help", None), f"{name}: {parameter.name}"


def test_the_listed_commands_are_all_there_are() -> None:
    """A new command is covered by the test above."""
    ended = run(DEVICE, "--help")
    _, _, listed = ended.out.partition("Commands:\n")
    assert tuple(line.split()[0] for line in listed.splitlines()) == (*COMMANDS, *GROUPS)


def test_the_package_is_a_command_too() -> None:
    """`python -m tbft_edge` where the script is not on the path."""
    for environment in (HOST, DEVICE):
        ended = subprocess.run(
            [environment / "python", "-m", "tbft_edge", "--version"], capture_output=True, text=True, check=True
        )
        assert ended.stdout == run(environment, "--version").out
        assert ended.stdout.count(".") == 2


def test_nothing_but_the_outputs_appeared(place: Path, finalized: Step) -> None:
    """No temporary file is left beside any of the outputs."""
    assert finalized.ended.code == 0
    assert {path.name for path in place.iterdir()} <= {
        "data.npz", "fresh.npz", "bundle.tar.gz", "bundle", "run", "model.onnx"
    }  # fmt: skip
    assert {path.name for path in (place / "run").iterdir()} == {
        ".tbft-edge.lock", "bundle", "run.json", "state.safetensors", "state.previous.safetensors", "history.jsonl",
        "report.json", "report.html",
    }  # fmt: skip
