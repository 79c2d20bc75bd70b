"""`tbft-edge fleet merge`: plain run folders into the file that the next round begins with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from support.bundles import ALL_DRIFTS, EVERYTHING, FRONT, HEAD, LAST, SPARSE, compiled
from support.commands import Ended, refused
from support.files import listing
from support.hostile import EVIL
from support.runs import fine_tune, state_of
from support.tars import END, members, pack
from tbft_artifacts.bundle import open_bundle
from tbft_fleet.merging.runs import read_runs
from tbft_runtime.run.state import save_state

Command = Callable[..., Ended]
OWN = load_file(compiled(ALL_DRIFTS) / "weights.safetensors")


def merge(command: Command, out: Path, *arguments: str | Path) -> dict[str, np.ndarray]:
    ended = command("fleet", "merge", *arguments, "--out", out)
    assert ended.code == 0, ended
    return load_file(out)


def of_runs(runs: list[Path], name: str) -> list[np.ndarray]:
    return [state_of(run).current[name].astype(np.float64) for run in runs]


def test_heads_become_their_mean_by_images(command: Command, heads: list[Path], tmp_path: Path) -> None:
    """Only what the plan trains is in the file, and the file says who took part."""
    out = tmp_path / "merged.safetensors"
    ended = command("fleet", "merge", *heads, "--out", out, "--json")
    told = json.loads(ended.out)
    merged = load_file(out)
    assert merged.keys() == {"fc.weight", "fc.bias"}
    images = [part["images"] for part in told["parts"]]
    assert images == [16, 24, 32]
    expected = np.average(of_runs(heads, "fc.weight"), axis=0, weights=images)
    np.testing.assert_allclose(merged["fc.weight"], expected, rtol=1e-5, atol=1e-7)
    assert (told["rule"], told["norms"], told["plan"]) == ("mean", "frozen", HEAD)
    assert told["bytes"] == sum(value.nbytes for value in merged.values())
    assert told["model_bytes"] == sum(value.nbytes for value in OWN.values())
    assert [part["device"] for part in told["parts"]] == [str(run) for run in heads]
    with safe_open(out, "numpy") as file:
        assert json.loads(file.metadata()["merge"]) == told


def test_statistics_follow_the_policy(command: Command, blocks: list[Path], tmp_path: Path) -> None:
    norms = open_bundle(compiled(ALL_DRIFTS)).manifest.moving_norms(open_bundle(compiled(ALL_DRIFTS)).plan(LAST))
    statistics = {name for norm in norms for name in (norm.mean, norm.variance)}
    assert statistics
    merged = merge(command, tmp_path / "a.safetensors", *blocks)
    assert statistics < merged.keys()
    for policy in ("local", "frozen"):
        left = merge(command, tmp_path / f"{policy}.safetensors", *blocks, "--norms", policy)
        assert left.keys() == merged.keys() - statistics
    images = [16, 24, 32]
    means, variances = of_runs(blocks, norms[0].mean), of_runs(blocks, norms[0].variance)
    mean = np.average(means, axis=0, weights=images)
    between = np.average((np.array(means) - mean) ** 2, axis=0, weights=images)
    expected = np.average(variances, axis=0, weights=images) + between
    np.testing.assert_allclose(merged[norms[0].variance], expected, rtol=1e-5)


def test_each_device_keeps_its_own_statistics(
    command: Command, blocks: list[Path], squares: Path, tmp_path: Path
) -> None:
    """With a file for each; in the next round they began alike all the same, and frozen ones there are none."""
    norm = open_bundle(compiled(ALL_DRIFTS)).manifest.moving_norms(open_bundle(compiled(ALL_DRIFTS)).plan(LAST))[0]
    shared = merge(command, tmp_path / "shared.safetensors", *blocks, "--norms", "local")
    for number, run in enumerate(blocks[:2]):
        file = tmp_path / f"{number}.safetensors"
        own = merge(command, file, *blocks, "--norms", "local", "--own", run)
        assert own[norm.mean].tobytes() == state_of(run).current[norm.mean].tobytes()
        assert {name: own[name].tobytes() for name in shared} == {k: v.tobytes() for k, v in shared.items()}
        fine_tune(ALL_DRIFTS, squares, tmp_path / f"run{number}", plan=LAST, base=file, epochs=1)
    second = [tmp_path / "run0", tmp_path / "run1"]
    assert merge(command, tmp_path / "second.safetensors", *second, "--norms", "local").keys() == shared.keys()
    out = ("--out", tmp_path / "frozen")
    refusal = refused(command("fleet", "merge", *second, *out, "--norms", "frozen"))
    assert "began with different statistics" in refusal.message
    assert "--own" in refused(command("fleet", "merge", *second, *out, "--own", second[0])).message
    assert "--own" in refused(command("fleet", "merge", *second, *out, "--own", "other", "--norms", "local")).message


def test_the_next_round_begins_with_it(command: Command, blocks: list[Path], squares: Path, tmp_path: Path) -> None:
    """A run from the file with nothing trained is the file; two rounds merge as one does."""
    first = tmp_path / "first.safetensors"
    merged = merge(command, first, *blocks)
    runs = [tmp_path / "a", tmp_path / "b"]
    for run in runs:
        fine_tune(ALL_DRIFTS, squares, run, plan=LAST, base=first, epochs=1, lr=0.0)
    again = merge(command, tmp_path / "second.safetensors", *runs, "--norms", "frozen")
    assert again.keys() == merged.keys()
    for name, value in merged.items():
        np.testing.assert_allclose(again[name], value, rtol=1e-6, atol=1e-7, err_msg=name)


def test_what_runs_began_with_is_not_lost(command: Command, heads: list[Path], squares: Path, tmp_path: Path) -> None:
    """After a round of the head, one of a stage still has that head."""
    first = tmp_path / "first.safetensors"
    head = merge(command, first, *heads)
    fine_tune(ALL_DRIFTS, squares, tmp_path / "run", plan=FRONT, base=first, epochs=1)
    second = merge(command, tmp_path / "second.safetensors", tmp_path / "run")
    assert "conv1.weight" in second
    assert second["fc.weight"].tobytes() == head["fc.weight"].tobytes()


def test_late_runs_weigh_less_and_are_asked_for(
    command: Command, heads: list[Path], squares: Path, tmp_path: Path
) -> None:
    """A run that began with weights of an earlier round moves from those, and what is newest is gone on from."""
    first = tmp_path / "first.safetensors"
    merge(command, first, *heads[:2])
    fine_tune(ALL_DRIFTS, squares, tmp_path / "new", plan=HEAD, base=first, epochs=1, val_fraction=0.25)
    arguments = ("fleet", "merge", tmp_path / "new", heads[2], "--out", tmp_path / "second.safetensors", "--json")
    refusal = refused(command(*arguments))
    assert "began with different weights" in refusal.message
    assert "--age" in refusal.hint
    ended = command(*arguments, "--age", f"{heads[2]}=3")
    assert ended.code == 0, ended
    new, late = json.loads(ended.out)["parts"]
    assert (new["age"], late["age"]) == (0, 3)
    assert late["weight"] == pytest.approx(late["images"] / 2 / (new["images"] + late["images"] / 2))
    assert "none of the runs" in refused(command(*arguments, "--age", "other=1")).message
    for text in ("x", "=1", f"{heads[2]}=-1", f"{heads[2]}=1e9", f"{heads[2]}=١"):
        assert "is not RUN=ROUNDS" in refused(command(*arguments, "--age", text)).message


def test_channels_that_each_device_chose(command: Command, squares: Path, more_squares: Path, tmp_path: Path) -> None:
    """Rows of layers that only one of them trained are merged with what the other has there."""
    for name, data, budget in (("a", squares, 1000), ("b", more_squares, 100_000)):
        fine_tune(SPARSE, data, tmp_path / name, epochs=1, update_budget=budget)
    runs = read_runs([tmp_path / "a", tmp_path / "b"], {})
    own = load_file(compiled(SPARSE) / "weights.safetensors")
    assert all(value.shape == own[name].shape for part in runs.parts for name, value in part.tensors.items())
    merge(command, tmp_path / "merged.safetensors", tmp_path / "a", tmp_path / "b")


def test_runs_that_do_not_fit_are_refused(
    command: Command, heads: list[Path], blocks: list[Path], squares: Path, tmp_path: Path
) -> None:
    """Of another plan, another bundle, given twice, without a report, or no run."""
    out = tmp_path / "merged.safetensors"
    fine_tune("output-frozen", squares, tmp_path / "other", epochs=1)
    unfinished = shutil.copytree(heads[1], tmp_path / "unfinished")
    (unfinished / "report.json").unlink()
    cases = {
        (heads[0], blocks[0]): f"'{blocks[0]}' has another plan than",
        (heads[0], tmp_path / "other"): "has another bundle than",
        (heads[0], heads[0]): "given twice",
        (heads[0], unfinished): "not finished",
        (heads[0], tmp_path): "no run folder",
        (heads[0], tmp_path / "nowhere"): "no report",
        (*heads[:2], "--rule", "trimmed"): "takes 3 at least",
        (heads[0], "--clip", "0.5"): "--clip 0.5",
        (heads[0], "--expect-id", "0" * 64): "--expect-id",
        (heads[0], "--bundle", compiled("output-frozen")): "is not the bundle",
    }
    for arguments, words in cases.items():
        assert words in refused(command("fleet", "merge", *arguments, "--out", out)).message
    assert not out.exists()


def test_a_poisoned_run_is_refused_by_name(command: Command, heads: list[Path], tmp_path: Path) -> None:
    """One of three whose weights are a thousand times as far, or no numbers."""
    for name, poison in (("far", np.float32(1000)), ("nan", np.float32(np.nan))):
        run = shutil.copytree(heads[2], tmp_path / name)
        state = state_of(run)
        state.current["fc.weight"] = OWN["fc.weight"] + (state.current["fc.weight"] - OWN["fc.weight"]) * poison
        save_state(state, run / "state.safetensors")
        refusal = refused(
            command("fleet", "merge", *heads[:2], run, "--out", tmp_path / "m"), 3 if name == "nan" else 2
        )
        assert str(run) in refusal.message
        assert not (tmp_path / "m").exists()


def test_a_bundle_that_was_moved_is_told(command: Command, heads: list[Path], tmp_path: Path) -> None:
    """Runs that were collected from boards have it nowhere; an archive will do."""
    run = shutil.copytree(heads[0], tmp_path / "run")
    text = (run / "run.json").read_text()
    before = listing(run)
    archive = pack(tmp_path / "b.tar.gz", *members(compiled(ALL_DRIFTS)), END)
    assert str(compiled(ALL_DRIFTS)) in text
    digits = open_bundle(compiled(ALL_DRIFTS)).manifest.bundle_id
    merge(command, tmp_path / "m.safetensors", run, "--bundle", archive, "--expect-id", digits)
    assert listing(run) == before


def test_people_read_who_took_part(command: Command, heads: list[Path], tmp_path: Path) -> None:
    """Names are cleaned, and what a round takes stands beside the whole model."""
    run = shutil.copytree(heads[0], tmp_path / EVIL.replace("/", ""))
    ended = command("fleet", "merge", run, heads[1], "--out", tmp_path / "m.safetensors")
    assert ended.code == 0
    assert "\x1b" not in ended.out + ended.err
    assert "to and from each device, and the whole model" in ended.err
    assert "train BUNDLE --from" in ended.err


def test_everything_can_be_merged(command: Command, squares: Path, tmp_path: Path) -> None:
    """With every parameter and all statistics the file is a whole model."""
    fine_tune(ALL_DRIFTS, squares, tmp_path / "run", plan=EVERYTHING, epochs=1)
    merged = merge(command, tmp_path / "m.safetensors", tmp_path / "run")
    assert merged.keys() == OWN.keys()
