"""A bundle with classes appended by a device computes what one compiled for all of them does. Host only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from support import tiny_models
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import PREDICT
from tbft_export import ExportOptions, export_bundle
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.graphs.sessions import Tensors, load_graph
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve
from tbft_runtime.training.step import TrainStep, initial_state
from tbft_runtime.training.targets import Targets

CLASSES, ADDED, SIZE = ("ant", "bee", "cat", "dog"), ("eel", "fox"), 8


def small() -> nn.Module:
    """Four classes."""
    return tiny_models.tiny_deep()


def large() -> nn.Module:
    """The same network with two classes more, at random."""
    net = tiny_models.tiny_deep()
    torch.manual_seed(3)
    last = nn.Linear(net.fc.in_features, len(CLASSES) + len(ADDED))
    with torch.no_grad():
        last.weight[: len(CLASSES)], last.bias[: len(CLASSES)] = net.fc.weight, net.fc.bias
    net.fc = last
    return net


def export(out: Path, model: str, classes: tuple[str, ...]) -> Bundle:
    export_bundle(
        ExportOptions(f"{__name__}:{model}", "all", classes=classes, image_size=SIZE, batch_size=8, lr=0.05), out
    )
    return open_bundle(out)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Bundle]:
    """The small one grown on the device, and the large one as it was compiled."""
    folder = tmp_path_factory.mktemp("classes")
    return (
        export(folder / "small", "small", CLASSES).with_classes(ADDED[:1]).with_classes(ADDED[1:]),
        export(folder / "large", "large", (*CLASSES, *ADDED)),
    )


def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(12, 3, SIZE, SIZE)).astype(np.float32), np.arange(12) % 6


@pytest.mark.long
def test_the_manifest_is_that_of_more_classes(bundles: tuple[Bundle, Bundle]) -> None:
    ours, theirs = (bundle.manifest for bundle in bundles)
    assert ours.classes == theirs.classes
    for mine, other in zip(ours.plans, theirs.plans, strict=True):
        assert (mine.id, mine.parameters) == (other.id, other.parameters)
        assert mine.cost.parameter_bytes == other.cost.parameter_bytes
        assert mine.full_cost is not None
        assert other.full_cost is not None
        assert mine.full_cost.parameter_bytes == other.full_cost.parameter_bytes


def test_an_empty_class_is_never_the_answer(bundles: tuple[Bundle, Bundle]) -> None:
    grown, _ = bundles
    weights = load_weights(grown)
    predict = load_graph(bundle_graph(grown, PREDICT), weights, 1)
    logits = predict.answer(images()[0])
    assert logits.shape == (12, 6)
    assert (logits[:, :4] > logits[:, 4:].max() + 1000).all()


def soft() -> Targets:
    """Targets of some images, and information of the others."""
    rng = np.random.default_rng(1)
    targets = rng.dirichlet(np.ones(6), 12).astype(np.float32)
    targets[::3] = 0
    information = rng.random(12).astype(np.float32)
    return Targets(targets, information, np.log(rng.dirichlet(np.ones(6))).astype(np.float32))


def one_step(bundle: Bundle, plan_id: str, weights: Tensors, *, targets: bool) -> Tensors:
    """Trained parameters and statistics after a step."""
    plan = bundle.plan(plan_id)
    settings = resolve(TrainOptions("", "", plan=plan_id, batch_size=12, threads=1), plan, bundle)
    prefix = load_prefix(bundle, plan, settings, weights)
    step = TrainStep(bundle, plan, settings, weights, prefix, takes_targets=targets)
    state = initial_state(bundle, plan, settings, weights)
    values, labels = images()
    if targets:
        step.run(state, values, soft())
    else:
        step.run(state, values, labels)
    return state.current


@pytest.mark.parametrize("targets", [False, True])
def test_a_step_is_the_same(bundles: tuple[Bundle, Bundle], targets: bool) -> None:
    """Bit for bit in every plan, with labels of the added classes, too, and with targets in their place."""
    grown, compiled = bundles
    weights = load_weights(compiled)
    assert len(grown.manifest.plans) == 5
    for plan in grown.manifest.plans:
        ours, theirs = (one_step(bundle, plan.id, weights, targets=targets) for bundle in bundles)
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            np.testing.assert_array_equal(ours[name], value, err_msg=f"{plan.id}: {name}")


def test_refusals(bundles: tuple[Bundle, Bundle]) -> None:
    _, compiled = bundles
    with pytest.raises(TbftError, match="a class twice: 'bee'") as caught:
        compiled.with_classes(["bee"])
    assert caught.value.hint
    with pytest.raises(TbftError, match="control or invisible"):
        compiled.with_classes(["e\x1b[2Jel"])
