"""`compare` from bundles to a page: every entry in a process of its own, cut and continued, one of them diverging."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.bundles import CLASSES
from support.commands import DEVICE, Ended, refused, run, start
from support.toys import save_squares
from tbft_export import ExportOptions, export_bundle

EPOCHS = "4"
FEATURE, OUTPUT, HASTY = "feature-block-sgd", "output-frozen-sgd", "full-batch-sgd"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory, exported: Any) -> list[Path]:
    """Three ways to train the same network, as archive and folders; the rate of the last one is absurd."""
    folder = tmp_path_factory.mktemp("bundles")
    made = [exported.path]
    usual = ExportOptions("support.tiny_models:tiny", image_size=8, batch_size=8, classes=CLASSES)
    for drift, lr in (("output", 0.05), ("full", 3e38)):
        options = replace(usual, drift=drift, lr=lr)
        export_bundle(options, folder / drift)
        made.append(folder / drift)
    return made


def arguments(bundles: list[Path], data: Path, test: Path, out: Path, *more: str) -> list[str | Path]:
    options = ("--data", data, "--test", test, "--out", out, "--epochs", EPOCHS, "--threads", "1", "--meter", "none")
    return ["compare", *bundles, *options, *more]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, bundles: list[Path], data: Path, fresh: Path) -> Path:
    """The folder of a comparison with two repeats."""
    out = tmp_path_factory.mktemp("compared") / "out"
    ended = run(DEVICE, *arguments(bundles, data, fresh, out, "--repeats", "2", "--json"))
    assert ended.code == 0, ended
    assert json.loads(ended.out) == json.loads((out / "comparison.json").read_text())
    assert [line.split(":")[0] for line in ended.err.splitlines()[:6]] == [
        f"[{3 * seed + turn}/6] {name}, seed {seed}"
        for seed in (0, 1)
        for turn, name in enumerate((FEATURE, OUTPUT, HASTY), start=1)
    ]
    return out


def entries(out: Path) -> dict[str, Any]:
    return {entry["name"]: entry for entry in json.loads((out / "comparison.json").read_text())["entries"]}


def evaluated(model: Path, data: Path) -> Any:
    ended = run(DEVICE, "eval", model, "--data", data, "--threads", "1", "--json")
    assert ended.code == 0, ended
    return json.loads(ended.out)


@pytest.mark.long
def test_accuracy_is_what_eval_says_of_bundle_and_run(compared: Path, bundles: list[Path], fresh: Path) -> None:
    figures = entries(compared)[FEATURE]["runs"][1]
    assert figures["accuracy_before"] == evaluated(bundles[0], fresh)["accuracy"]
    folder = compared / "runs" / f"1-{FEATURE}" / "seed-1"
    assert figures["accuracy_after"] == evaluated(folder, fresh)["accuracy"]


def test_figures_are_those_of_ordinary_runs(compared: Path) -> None:
    """Which 'report' shows like any other."""
    folder = compared / "runs" / f"1-{FEATURE}" / "seed-1"
    result = json.loads((folder / "report.json").read_text())["result"]
    figures = entries(compared)[FEATURE]["runs"][1]
    assert (result["seed"], result["epochs"], result["threads"]) == (1, int(EPOCHS), 1)
    assert figures["seconds"] == result["train_seconds"]
    assert figures["peak_memory_bytes"] == result["peak_memory_bytes"] > figures["idle_memory_bytes"] > 10e6
    assert figures["joules"] is None
    both = run(DEVICE, "report", folder, folder.with_name("seed-0"), "--json")
    assert both.code == 0, both


def test_an_entry_that_diverges_is_a_row_that_says_why(compared: Path) -> None:
    hasty = entries(compared)[HASTY]
    assert hasty["runs"] == []
    assert any(words in hasty["failed"][0] for words in ("is no number", "became nan", "became inf"))


def test_fronts_name_entries_and_say_what_is_missing(compared: Path) -> None:
    fronts = {front["cost"]: front for front in json.loads((compared / "comparison.json").read_text())["fronts"]}
    assert fronts["joules"]["entries"] == []
    assert "unavailable" in fronts["joules"]["unavailable"]
    for cost in ("seconds", "peak_memory_bytes"):
        assert set(fronts[cost]["entries"]) <= {FEATURE, OUTPUT} != set()
        assert fronts[cost]["entries"]


def test_a_second_call_only_prints(compared: Path, bundles: list[Path], data: Path, fresh: Path) -> None:
    """Nothing is trained again, whatever the format; the page on stdout is the one in the folder."""
    before = {path: path.stat().st_mtime_ns for path in (compared / "runs").rglob("*")}
    repeats = ("--repeats", "2", "--format")
    printed = {
        name: run(DEVICE, *arguments(bundles, data, fresh, compared, *repeats, name))
        for name in ("table", "html", "markdown", "csv")
    }
    assert all(ended.code == 0 for ended in printed.values()), printed
    assert {path: path.stat().st_mtime_ns for path in (compared / "runs").rglob("*")} == before
    assert printed["html"].out == (compared / "comparison.html").read_text()
    assert len(printed["csv"].out.splitlines()) == 1 + 2 + 2 + 1
    assert f"| {HASTY} | tbft, full fine-tuning |" in printed["markdown"].out
    assert "failed" in printed["table"].out


def test_other_options_than_before_are_refused(compared: Path, bundles: list[Path], data: Path, fresh: Path) -> None:
    def call(*words: str | Path) -> str:
        return refused(run(DEVICE, *words)).message

    assert "--seed 3 differs from" in call(*arguments(bundles, data, fresh, compared, "--seed", "3"))
    assert "is of other bundles" in call(*arguments(bundles[:2], data, fresh, compared))
    assert "--test is not what it was" in call(*arguments(bundles, data, data, compared))


@pytest.mark.long
def test_a_cut_comparison_goes_on(tmp_path: Path, bundles: list[Path], fresh: Path) -> None:
    """Ctrl-C in the middle of the first run; then the same command gives what an uncut one gives."""
    data = save_squares(tmp_path / "many.npz", 400)
    out, whole = tmp_path / "cut", tmp_path / "whole"
    words = arguments(bundles[:2], data, fresh, out, "--epochs", "40", "--json")
    process = start(DEVICE, *words)
    state = out / "runs" / f"1-{FEATURE}" / "seed-0" / "state.safetensors"
    deadline = time.monotonic() + 60
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    ended = Ended(process.returncode, "", err)
    assert ended.code == 130, ended
    assert "The same command goes on" in ended.err
    assert not (out / "comparison.json").exists()
    for folder in (out, whole):
        again = run(DEVICE, *arguments(bundles[:2], data, fresh, folder, "--epochs", "40", "--json"))
        assert again.code == 0, again
    accuracies = [
        [figures["accuracy_after"] for entry in entries(folder).values() for figures in entry["runs"]]
        for folder in (out, whole)
    ]
    assert accuracies[0] == accuracies[1]
    assert any("was interrupted" in note for note in entries(out)[FEATURE]["notes"])
    assert not any("was interrupted" in note for note in entries(whole)[FEATURE]["notes"])


def test_bad_input_is_refused_before_anything_is_trained(
    tmp_path: Path, bundles: list[Path], data: Path, fresh: Path, compared: Path
) -> None:
    out = tmp_path / "out"
    for words, message in (
        (arguments(bundles, tmp_path / "no.npz", fresh, out), "no.npz"),
        (arguments([*bundles, bundles[0]], data, fresh, out), "are the same bundle"),
        (arguments([data], data, fresh, out), "is no bundle"),
        (arguments(bundles, data, fresh, out, "--meter", "abacus"), "abacus"),
        (arguments(bundles, data, fresh, compared / "runs" / f"1-{FEATURE}" / "seed-0"), "is the folder of a run"),
    ):
        assert message in refused(run(DEVICE, *words)).message
        assert not out.exists()


def test_where_nothing_ends_well_the_command_fails(
    tmp_path: Path, bundles: list[Path], data: Path, fresh: Path
) -> None:
    """With the exit code of `train`, and the reason."""
    refusal = refused(run(DEVICE, *arguments(bundles[2:], data, fresh, tmp_path / "out")), code=3)
    assert f"no run ended well: {HASTY}" in refusal.message
