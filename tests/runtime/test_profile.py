"""`train --profile`: some steps more tell where the time goes, and change nothing."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from support.bundles import COMPILED_NAMES, compiled
from support.runs import Recorder, assert_equal_runs, fine_tune
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_runtime.measure import random_batch
from tbft_runtime.profiling import run as profiling
from tbft_runtime.profiling.layers import OTHER
from tbft_runtime.profiling.profile import Profile
from tbft_runtime.profiling.run import ALL_PARAMETERS, MOST_STEPS, TracedSteps, profile_steps
from tbft_runtime.reporting.read import read_report
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve
from tbft_runtime.run.state import TrainingState
from tbft_runtime.training.step import initial_state

BATCH = 12


def traced(name: str, folder: Path, threads: int = 1) -> TracedSteps:
    """Steps of a compiled bundle on random images, traced into an empty folder."""
    bundle = open_bundle(compiled(name))
    plan = bundle.plan()
    settings = resolve(TrainOptions(Path(), Path(), batch_size=BATCH, threads=threads), plan, bundle)
    weights = load_file(bundle.weights)
    images, labels = random_batch(bundle, BATCH, seed=0)
    state = initial_state(bundle, plan, settings, weights)
    return TracedSteps(bundle, plan, settings, weights, state, images, labels, folder)


def bytes_of(state: TrainingState) -> dict[str, bytes]:
    return {name: value.tobytes() for group in (state.current, state.slots) for name, value in group.items()}


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("name", COMPILED_NAMES)
def test_every_kind_of_plan_is_profiled(tmp_path: Path, name: str) -> None:
    """Frozen, adapted and batch statistics, int8, every optimizer: each part is there, and parts add up."""
    steps = traced(name, tmp_path)
    before = bytes_of(steps.state)
    profile = profile_steps(steps)

    graphs = {graph.graph: graph for graph in profile.graphs}
    assert list(graphs) == [*(["prefix"] if steps.plan.has_prefix else []), "gradient", "update"]
    assert (profile.steps, profile.batch_size) == (MOST_STEPS, BATCH)
    for graph in profile.graphs:
        assert graph.kernel_ms > 0
        assert graph.wall_ms > 0
        for parts in (graph.operators, graph.layers):
            assert sum(part.milliseconds for part in parts) == pytest.approx(graph.kernel_ms)
    assert [layer.name for layer in graphs["update"].layers] == [ALL_PARAMETERS]
    layers = {layer.name for layer in graphs["gradient"].layers}
    assert {"fc", "fc (backward)", "loss", "loss (backward)"} <= layers
    assert bytes_of(steps.state) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", COMPILED_NAMES)
def test_layers_are_those_of_the_network(tmp_path: Path, name: str) -> None:
    """Names that parameters have, or modules around them; little is nobody's."""
    steps = traced(name, tmp_path)
    modules = {"images", "loss", "correct", "relu", "pool", "flat"}
    for weight in steps.weights:
        parts = weight.split(".")
        modules |= {".".join(parts[:depth]) for depth in range(1, len(parts))}
    for graph in profile_steps(steps).graphs:
        if graph.graph != "update":
            named = {layer.name.removesuffix(" (backward)") for layer in graph.layers} - {OTHER}
            assert named <= modules
            trained = {parameter.name.rpartition(".")[0] for parameter in steps.plan.parameters}
            if graph.graph == "gradient":
                assert {f"{layer} (backward)" for layer in trained} <= {layer.name for layer in graph.layers}


def test_parts_of_a_batch_on_two_threads(tmp_path: Path) -> None:
    """Each part runs every operator; calls are those of all parts."""
    steps = traced("feature-frozen", tmp_path, threads=2)
    gradient = {graph.graph: graph for graph in profile_steps(steps).graphs}["gradient"]
    parts = -(-BATCH // steps.settings.execution.micro_batch)
    assert parts > 1
    assert {part.name: part.calls for part in gradient.operators}["ArgMax"] == parts


def test_fewer_steps_where_they_are_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces lie in memory, and on a slow board nobody waits for twenty long steps; one there is at least."""
    steps = traced("output-frozen", tmp_path)
    kernels = sum(len(trace.kernels) for trace in steps.run(0, 1).values())
    monkeypatch.setattr(profiling, "MOST_KERNELS", 3 * kernels)
    assert profile_steps(steps).steps == 3
    assert profile_steps(replace(steps, most_kernels=2 * kernels)).steps == 2
    assert profile_steps(replace(steps, most_kernels=-1)).steps == 1
    monkeypatch.setattr(profiling, "MOST_SECONDS", 0)
    assert profile_steps(steps).steps == 1


def test_a_profiled_run_ends_in_the_same_weights(squares: Path, tmp_path: Path) -> None:
    """Bit for bit, with nothing left beside what a run leaves; only the report has more to tell."""
    for name in ("feature-frozen", "input-batch"):
        plain, profiled = tmp_path / f"{name}-plain", tmp_path / name
        fine_tune(name, squares, plain, epochs=2)
        watched = Recorder()
        fine_tune(name, squares, profiled, watched, epochs=2, profile=True)
        assert_equal_runs(plain, profiled)
        assert names_in(profiled) == names_in(plain)
        assert [note for note in watched.notes if "profil" in note] == ["profiling train steps"]
        profile = read_report(profiled).profile
        assert profile is not None
        assert [graph.graph for graph in profile.graphs][-2:] == ["gradient", "update"]
        assert read_report(plain).profile is None


def test_the_first_batch_of_the_run_is_profiled(squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the run's weights and settings, in a folder inside the run's own."""
    seen: list[TracedSteps] = []

    def remember(steps: TracedSteps) -> Profile:
        seen.append(steps)
        return Profile(steps=1, batch_size=1, graphs=())

    monkeypatch.setattr(profiling, "profile_steps", remember)
    fine_tune("feature-adapt", squares, tmp_path / "run", epochs=1, batch_size=10, profile=True)
    assert read_report(tmp_path / "run").profile == Profile(steps=1, batch_size=1, graphs=())
    (steps,) = seen
    assert steps.folder.parent == tmp_path / "run"
    assert not steps.folder.exists()
    assert steps.images.shape == (10, 3, 8, 8)
    assert isinstance(steps.wanted, np.ndarray)
    assert set(steps.wanted) <= {0, 1, 2, 3}
    for name, value in steps.state.current.items():  # Trained parameters and adapted statistics.
        np.testing.assert_array_equal(steps.weights[name], value)


@pytest.mark.parametrize("error", [TbftError("the trace is damaged", "hint"), OSError(28, "No space left on device")])
def test_a_profile_that_fails_does_not_fail_the_run(
    squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The run has its result; a note says why there is no profile, and no trace is left."""

    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(profiling, "read_trace", fail)
    watched = Recorder()
    result = fine_tune("feature-frozen", squares, tmp_path / "run", watched, epochs=1, profile=True)
    assert result.epochs == 1
    assert watched.notes[-1] == f"no profile: {error}"
    assert read_report(tmp_path / "run").profile is None
    gc.collect()  # Sessions that were still traced write what they have when they go.
    fine_tune("feature-frozen", squares, tmp_path / "plain", epochs=1)
    assert names_in(tmp_path / "run") == names_in(tmp_path / "plain")


def test_without_a_train_step_there_is_no_profile(squares: Path, tmp_path: Path) -> None:
    """Statistics that are re-estimated are no training."""
    watched = Recorder()
    fine_tune("feature-adapt", squares, tmp_path / "run", watched, epochs=0, profile=True)
    assert watched.notes[-1] == "no profile: nothing was trained"
