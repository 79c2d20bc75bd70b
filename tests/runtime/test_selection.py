"""A bundle whose channels the device chooses: `train` scores, chooses, and trains nothing else."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load_file

from support.bundles import SPARSE, compiled, read_manifest
from support.drifted import with_weights
from support.runs import Recorder, assert_equal_runs, fine_tune, state_of
from support.toys import save_squares
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import BYTES_PER_FLOAT, Plan
from tbft_runtime import DiagnoseOptions, TrainOptions, TrainResult, TuneOptions, diagnose, evaluate, finalize, tune
from tbft_runtime.data.dataset import open_data, open_sources
from tbft_runtime.measure import MeasureRequest, measure
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.resolve import resolve
from tbft_runtime.run.selection_record import Selection
from tbft_runtime.selection.fisher import fisher_information
from tbft_runtime.timing import Stopwatch
from tbft_runtime.training.sparse_rows import merged

# All of the network may be reached; the bytes decide.
OPTIONS: dict[str, Any] = {"compute_budget": 1.0, "update_budget": 6_000, "epochs": 2}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(compiled(SPARSE))


def chosen_in(run: Path) -> Selection:
    stored = RunFolder(run).read_run()
    assert stored is not None
    assert stored.selection is not None
    return stored.selection


def head(plan: Plan) -> set[str]:
    return {parameter.name for parameter in plan.parameters}


def head_bytes(plan: Plan) -> int:
    """What is always trained, with gradients and optimizer state."""
    values = sum(math.prod(parameter.shape) for parameter in plan.parameters)
    return values * BYTES_PER_FLOAT * (2 + len(plan.optimizer.slots))


def trained(tmp_path: Path, squares: Path, **options: Any) -> TrainResult:
    return fine_tune(SPARSE, squares, tmp_path / "run", **{**OPTIONS, **options})


def test_only_chosen_rows_and_the_head_change(bundle: Bundle, tmp_path: Path, squares: Path) -> None:
    """Every other number of the network is what it was, bit for bit; every chosen row is another."""
    trained(tmp_path, squares, lr=0.5)
    selection, base = chosen_in(tmp_path / "run"), load_file(bundle.weights)
    plan = bundle.plan(selection.plan)
    now = merged(plan, base, state_of(tmp_path / "run").current)
    assert now.keys() == base.keys()
    assert selection.channels
    for name, value in base.items():
        if name in head(plan):
            assert (now[name] != value).any()
        elif name in selection.channels:
            changed = np.flatnonzero((now[name] != value).any(axis=(1, 2, 3)))
            assert changed.tolist() == list(selection.channels[name])
        else:
            assert now[name].tobytes() == value.tobytes()


def test_the_state_names_rows_and_channels(bundle: Bundle, tmp_path: Path, squares: Path) -> None:
    """So that whoever reads it can put them back: rows beside the numbers of their channels, current and best."""
    trained(tmp_path, squares)
    selection, state = chosen_in(tmp_path / "run"), state_of(tmp_path / "run")
    plan = bundle.plan(selection.plan)
    rows = {f"{weight}.{kind}" for weight in selection.channels for kind in ("rows", "channels")}
    for arrays in (state.current, state.best):
        assert arrays.keys() == head(plan) | rows
        for weight, channels in selection.channels.items():
            numbers = arrays[f"{weight}.channels"]
            assert (numbers.dtype, numbers.tolist()) == (np.int64, list(channels))
            assert arrays[f"{weight}.rows"].shape[0] == len(channels)


def test_the_budgets_hold_for_what_is_trained(bundle: Bundle, tmp_path: Path, squares: Path) -> None:
    """Bytes of the optimizer's state and of rows in the file, not those that the selection says."""
    result = trained(tmp_path, squares)
    assert result.selection is not None
    state, slots = state_of(tmp_path / "run"), bundle.plan(result.plan).optimizer.slots
    values = sum(array.size for name, array in state.current.items() if not name.endswith(".channels"))
    assert result.selection.values == values
    assert sum(array.size for array in state.slots.values()) == values * len(slots)
    assert result.selection.update_bytes == values * BYTES_PER_FLOAT * (2 + len(slots)) <= OPTIONS["update_budget"]
    assert result.selection.compute <= 1


def test_a_resumed_run_goes_on_with_its_choice(tmp_path: Path, squares: Path) -> None:
    """Bit for bit, and without looking at images again."""
    fine_tune(SPARSE, squares, tmp_path / "whole", **{**OPTIONS, "epochs": 3})
    interrupt = Recorder(interrupt_epoch=2, interrupt_after=17)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(SPARSE, squares, tmp_path / "parts", interrupt, **{**OPTIONS, "epochs": 3})
    before, watching = chosen_in(tmp_path / "parts"), Recorder()
    result = fine_tune(SPARSE, squares, tmp_path / "parts", watching, epochs=3, resume=True)
    assert_equal_runs(tmp_path / "parts", tmp_path / "whole")
    assert not any("scoring" in phase for phase in watching.phases)
    assert chosen_in(tmp_path / "parts") == before == result.selection


def test_the_final_model_is_the_trained_one(tmp_path: Path, squares: Path, more_squares: Path) -> None:
    """In the run, in the file, and as validated while training."""
    result = trained(tmp_path, squares, validation=more_squares, lr=0.3)
    finalize(tmp_path / "run", tmp_path / "model.onnx", allow_worse=True)
    of_run, of_file = (evaluate(tmp_path / name, more_squares, threads=1) for name in ("run", "model.onnx"))
    assert of_run.accuracy == of_file.accuracy == result.accuracy_after
    assert of_file.loss == pytest.approx(result.loss_after)
    assert of_run.loss == pytest.approx(result.loss_after)
    assert result.loss_after != pytest.approx(result.loss_before)


def test_without_room_for_a_row_only_the_head_is_trained(bundle: Bundle, tmp_path: Path, squares: Path) -> None:
    """Every layer goes into the gradient graph with no row at all."""
    shallowest = bundle.manifest.sparse_plans[-1]
    result = trained(tmp_path, squares, update_budget=head_bytes(shallowest))
    assert state_of(tmp_path / "run").current.keys() == head(shallowest)
    assert (result.plan, result.blocks) == (shallowest.id, ("fc",))


def test_a_named_plan_is_the_only_one_to_choose_in(bundle: Bundle, tmp_path: Path, squares: Path) -> None:
    shallowest = bundle.manifest.sparse_plans[-1]
    assert shallowest.sparse is not None
    trained(tmp_path, squares, plan=shallowest.id, update_budget=10**6)
    selection = chosen_in(tmp_path / "run")
    assert selection.plan == shallowest.id
    assert {layer.weight for layer in selection.layers} == {layer.weight for layer in shallowest.sparse.layers}


def test_kept_activations_change_nothing(tmp_path: Path, squares: Path) -> None:
    fine_tune(SPARSE, squares, tmp_path / "kept", **OPTIONS)
    fine_tune(SPARSE, squares, tmp_path / "computed", cache="off", **OPTIONS)
    assert_equal_runs(tmp_path / "kept", tmp_path / "computed")


def test_statistics_are_re_estimated_once_and_before_scoring(bundle: Bundle, tmp_path: Path, squares: Path) -> None:
    """The choice is that of a network which had those statistics from the beginning."""
    watching = Recorder()
    fine_tune(SPARSE, squares, tmp_path / "run", watching, batch_norm="adapt", **OPTIONS)
    estimating = [phase.startswith("re-estimating") for phase in watching.phases]
    assert sum(estimating) == 1
    assert estimating.index(True) < watching.phases.index("scoring layers and channels")
    norms = {name for norm in bundle.manifest.batch_norms for name in (norm.mean, norm.variance)}
    statistics = {name: value for name, value in state_of(tmp_path / "run").current.items() if name in norms}
    assert statistics.keys() == norms
    adapted = with_weights(bundle.folder, tmp_path / "adapted", statistics)
    fine_tune(adapted, squares, tmp_path / "other", **OPTIONS)
    assert chosen_in(tmp_path / "run").layers == chosen_in(tmp_path / "other").layers
    fine_tune(SPARSE, squares, tmp_path / "frozen", **OPTIONS)
    assert chosen_in(tmp_path / "run").layers != chosen_in(tmp_path / "frozen").layers


def test_fisher_information_is_a_mean_over_images(bundle: Bundle, tmp_path: Path, squares: Path) -> None:
    """13 images in parts of 4, the last one of 1, on two threads, are 13 at once."""
    deepest = bundle.manifest.sparse_plans[0]
    settings = resolve(TrainOptions(data=squares, out=tmp_path, threads=2), deepest, bundle)
    data = open_data(deepest, settings, open_sources(bundle, settings), tmp_path, Recorder(), Stopwatch())
    found = []
    for size in (4, 13):
        execution = msgspec.structs.replace(settings.execution, micro_batch=size)
        parts = msgspec.structs.replace(settings, execution=execution)
        seen: list[int] = []
        indices = data.train.indices[:13]
        weights = load_file(bundle.weights)
        found.append(fisher_information(bundle, deepest, parts, weights, data.train, indices, seen.append))
        assert sum(seen) == 13
    for weight, information in found[0].items():
        np.testing.assert_allclose(information, found[1][weight], rtol=1e-3, atol=1e-9)
        assert information.max() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"update_budget": 1}, "more than the update budget of 1 bytes"),
        ({"compute_budget": 1e-9}, "more than the compute budget of 0.0%"),
        ({"update_budget": 0}, "`update_budget` 0 is out of range"),
        ({"compute_budget": 1.5}, "`compute_budget` 1.5 is out of range"),
        ({"compute_budget": float("nan")}, "`compute_budget` nan is out of range"),
        ({"drift": "auto"}, "leaves no block to choose"),
        ({"drift": "feature"}, "no plan for drift 'feature'"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str, tmp_path: Path, squares: Path) -> None:
    """Before anything is trained, and with nothing left behind."""
    with pytest.raises(TbftError) as caught:
        trained(tmp_path, squares, **options)
    assert message in caught.value.message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("option", ["update_budget", "compute_budget"])
def test_budgets_are_for_bundles_that_leave_a_choice(option: str, tmp_path: Path, squares: Path) -> None:
    with pytest.raises(TbftError, match="says itself what is trained"):
        fine_tune("feature-frozen", squares, tmp_path / "run", **{option: 1})


def test_a_run_goes_on_with_its_budgets(tmp_path: Path, squares: Path) -> None:
    trained(tmp_path, squares)
    with pytest.raises(TbftError, match="`update_budget` 7000 differs from the run"):
        trained(tmp_path, squares, update_budget=7_000, resume=True)


def test_few_images_are_enough(tmp_path: Path) -> None:
    """Fewer than a diagnosis needs."""
    trained(tmp_path, save_squares(tmp_path / "few.npz", 8))
    assert chosen_in(tmp_path / "run").samples == 4


def test_measuring_needs_no_choice(bundle: Bundle, tmp_path: Path) -> None:
    """`tune` and `bench` take every second channel: times depend on shapes, not on what images show."""
    deepest = bundle.manifest.sparse_plans[0]
    tuning = tune(bundle.folder, TuneOptions(out=tmp_path / "run", plan=deepest.id, threads=1))
    assert tuning.plan == deepest.id
    request = MeasureRequest(str(bundle.folder), str(tmp_path / "w.safetensors"), deepest.id, steps=1)
    assert len(measure(request).step_ms) == 1
    assert deepest.sparse is not None
    weights = load_file(tmp_path / "w.safetensors")
    assert [weights[layer.rows].shape[0] for layer in deepest.sparse.layers] == [
        -(-layer.shape[0] // 2) for layer in deepest.sparse.layers
    ]


def test_there_is_no_block_to_diagnose(bundle: Bundle, squares: Path) -> None:
    """Several plans, none of which is "that one"."""
    with pytest.raises(TbftError, match="leaves no block to choose") as caught:
        diagnose(bundle.folder, DiagnoseOptions(squares))
    assert caught.value.hint.startswith("train without `drift` auto")


def test_several_plans_are_asked_for_where_nothing_chooses(bundle: Bundle, tmp_path: Path, squares: Path) -> None:
    """Re-estimating statistics alone trains nothing."""
    with pytest.raises(TbftError, match="several plans"):
        fine_tune(SPARSE, squares, tmp_path / "run", epochs=0, batch_norm="adapt")
    shallowest = bundle.manifest.sparse_plans[-1]
    result = fine_tune(SPARSE, squares, tmp_path / "run", epochs=0, batch_norm="adapt", plan=shallowest.id)
    assert (result.stopped, result.selection) == ("adapted", None)


def test_the_manifest_lists_the_graph_that_scores(tmp_path: Path) -> None:
    """A bundle without it is refused before a run begins."""
    manifest = read_manifest(compiled(SPARSE))
    files = {name: entry for name, entry in manifest.files.items() if "fisher" not in name}
    without = msgspec.structs.replace(manifest, files=files).with_id()
    (tmp_path / "manifest.json").write_bytes(json.dumps(msgspec.to_builtins(without)).encode())
    with pytest.raises(TbftError, match=r"does not list 'plans/.*/fisher.onnx'"):
        open_bundle(tmp_path)
