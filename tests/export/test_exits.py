"""A bundle with exits: the network once, answered early; exits that learned; a network that stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch.nn import functional

from support import tiny_models
from support.batches import random_batches
from support.calibration import ArrayImages, patchworks
from support.exports import forward_of
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import PREDICT, Plan
from tbft_export import ExportOptions, export_bundle
from tbft_export.exits.heads import fit_scaling, train_head
from tbft_export.graph.cost import forward_flops
from tbft_export.methods.method import MethodOptions, Network
from tbft_export.methods.registry import plan_training
from tbft_export.pipeline import PassRunner
from tbft_export.sources.given_shape import GivenShape
from tbft_export.sources.load import load_model
from tbft_runtime.graphs.sessions import load_graph

CLASSES = 4
SIZE = 8
MODEL = "tiny_models:tiny_deep"


def options(**changes: object) -> ExportOptions:
    asked = {
        "model": f"support.{MODEL}",
        "method": "persephonee",
        "exits": 3,
        "image_size": SIZE,
        "source": pictures()[0],
    }
    return ExportOptions(**(asked | changes))  # type: ignore[arg-type]


@cache
def pictures() -> tuple[ArrayImages, ArrayImages]:
    """Images to train exits with, and others of the same classes."""
    images = patchworks(SIZE, CLASSES, 600)
    return tuple(ArrayImages(images.values[part], images.labels[part]) for part in (np.s_[:300], np.s_[300:]))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("exits") / "bundle"
    export_bundle(options(), out)
    return open_bundle(out)


def outputs(bundle: Bundle, graph: str, values: np.ndarray) -> Mapping[str, np.ndarray]:
    loaded = load_graph(bundle.path(graph), load_file(bundle.weights), 1)
    return loaded.run({loaded.inputs[0]: values})


def staged(bundle: Bundle, plan: Plan, images: np.ndarray) -> np.ndarray:
    """Logits (N, E, classes), each stage from what the one before left."""
    logits, values = [], images
    for number in range(len(plan.exits)):
        found = outputs(bundle, plan.stage(number), values)
        logits.append(found["logits"])
        values = found.get("activation", values)
    return np.stack(logits, axis=1)


def test_a_plan_for_each_way_to_personalise(bundle: Bundle) -> None:
    ways = {plan.id.split("-")[1]: plan for plan in bundle.manifest.plans}
    assert {way: plan.unlabelled for way, plan in ways.items()} == {"labels": False, "confident": True, "distill": True}
    for plan in ways.values():
        assert [each.name for each in plan.exits] == ["conv1", "layer1", "fc"]
        assert plan.batch_statistics == ()
        assert plan.drift is None
        assert [parameter.name for parameter in plan.parameters] == [
            f"exits.{number}.{kind}" for number in range(3) for kind in ("weight", "bias")
        ]
        assert sum(block.parameters for block in bundle.manifest.blocks if block.is_inside(plan.blocks)) == (
            plan.cost.parameter_bytes // 4
        )


def test_stages_are_prefix_and_suffix_are_the_network(bundle: Bundle) -> None:
    """Each exit says the same whichever way it is reached; before training the last one is the model's own head."""
    (batch,) = random_batches([5], SIZE, CLASSES, seed=7)
    with torch.no_grad():
        expected = tiny_models.tiny_deep()(torch.from_numpy(batch.images)).numpy()
    (whole,) = outputs(bundle, PREDICT, batch.images).values()
    np.testing.assert_allclose(whole, expected, rtol=0, atol=1e-5)
    for plan in bundle.manifest.plans:
        by_stage = staged(bundle, plan, batch.images)
        np.testing.assert_allclose(by_stage[:, -1], expected, rtol=0, atol=1e-5)
        for form in plan.prefix_forms:
            (features,) = outputs(bundle, plan.prefix_in(form), batch.images).values()
            assert features.shape == (5, *plan.boundary.shape)
            (logits,) = outputs(bundle, plan.suffix, features).values()
            np.testing.assert_allclose(logits, by_stage, rtol=0, atol=1e-5)


def test_stages_compute_each_layer_once(bundle: Bundle) -> None:
    """What an exit takes is counted with all exits before it; together no more than the network and its heads."""
    (plan, *_) = bundle.manifest.plans
    flops = [each.flops for each in plan.exits]
    heads = sum(parameter.shape[0] * parameter.shape[1] for parameter in plan.parameters if len(parameter.shape) == 2)
    graph = load_model(f"support.{MODEL}", None, None, GivenShape((SIZE, SIZE)), PassRunner()).forward.graph
    own = 2 * CLASSES * plan.parameters[-2].shape[1]
    assert flops == sorted(flops)
    assert flops[-1] == forward_flops(graph) - own + 2 * heads
    assert plan.cost.prefix_flops == forward_flops(graph) - own


def test_the_network_stays_and_the_last_exit_begins_as_a_copy_of_its_head(bundle: Bundle) -> None:
    weights = load_file(bundle.weights)
    own = tiny_models.tiny_deep().state_dict()
    for name, tensor in own.items():
        if tensor.is_floating_point():
            np.testing.assert_array_equal(weights[name], tensor.numpy())
    np.testing.assert_array_equal(weights["exits.2.weight"], weights["fc.weight"])
    np.testing.assert_array_equal(weights["exits.2.bias"], weights["fc.bias"])


def test_trained_exits_beat_chance_on_images_that_they_did_not_see(bundle: Bundle) -> None:
    """The network itself was never trained; what its exits read tells the classes all the same."""
    unseen = pictures()[1]
    right = staged(bundle, bundle.manifest.plans[0], unseen.values).argmax(axis=2) == unseen.labels[:, np.newaxis]
    chance = np.bincount(unseen.labels).max() / len(unseen.labels)
    assert np.all(right[:, :-1].mean(axis=0) > chance + 0.2)


def test_the_same_images_give_the_same_bundle(bundle: Bundle, tmp_path: Path) -> None:
    again = export_bundle(options(), tmp_path / "again")
    assert again.manifest.bundle_id == bundle.manifest.bundle_id


# The parts


def test_a_head_is_the_minimum_of_its_loss() -> None:
    """So that no seed or learning rate decides about it: there the gradient is 0."""
    rng = np.random.default_rng(3)
    features = rng.standard_normal((200, 6)).astype(np.float32)
    targets = rng.dirichlet(np.ones(3), 200)
    head = train_head(features, targets)
    weight, bias = (torch.from_numpy(each).double().requires_grad_(True) for each in (head.weight, head.bias))
    x = torch.from_numpy(features).double()
    loss = functional.cross_entropy(x @ weight.T + bias, torch.from_numpy(targets))
    loss = loss + 0.01 * x.square().mean() * weight.square().sum()
    for gradient in torch.autograd.grad(loss, (weight, bias)):
        assert gradient.abs().max() < 1e-4


def test_scaled_features_are_equally_long_at_every_exit() -> None:
    """One that never changes is left out, rather than blown up."""
    rng = np.random.default_rng(0)
    features = (rng.standard_normal((500, 8)) * np.logspace(-2, 2, 8) + 5).astype(np.float32)
    features[:, 3] = 7.0
    scaling = fit_scaling(features, squared_length=21.0)
    scaled = (features - scaling.shift) * scaling.scale
    assert np.all(scaled[:, 3] == 0)
    np.testing.assert_allclose(np.square(scaled).sum(axis=1).mean(), 21.0 * 7 / 8, rtol=1e-3)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-3)


# Refusals


def refusal(**changes: object) -> TbftError:
    with pytest.raises(TbftError) as caught:
        export_bundle(options(**changes), Path("/nonexistent/bundle"))
    assert caught.value.hint
    return caught.value


def test_exits_need_source_images() -> None:
    assert "`source`" in (refusal(source=None).hint or "")
    few = ArrayImages(pictures()[0].values[:39], pictures()[0].labels[:39])
    assert "39 labelled images are too few" in refusal(source=few).message


def test_exits_are_of_one_method() -> None:
    assert "`exits` means nothing to `method` full" in refusal(method="full").message


@pytest.mark.parametrize("policy", ["block", "batch"])
def test_a_frozen_network_has_fixed_statistics(policy: str) -> None:
    assert f"`batch_norm` {policy} would move" in refusal(batch_norm=policy).message


def test_a_network_that_does_not_end_in_a_linear_layer_is_refused() -> None:
    """There is no head to copy; of one that was never trained there is nothing to learn."""
    with pytest.raises(TbftError, match="does not end in a linear layer"):
        plan_training("persephonee", Network(forward_of("odd_models:patches")), MethodOptions())
    network = Network(forward_of(MODEL), fresh=("fc.weight",))
    with pytest.raises(TbftError, match="never trained"):
        plan_training("persephonee", network, MethodOptions())
