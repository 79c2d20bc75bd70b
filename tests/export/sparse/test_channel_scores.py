"""A device that chooses channels scores them by the Fisher information that PyTorch finds."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from support.covers import covers
from support.sparse_graphs import IMAGES, TOLERANCE, batch, layers_of, load, outputs
from tbft_artifacts.bundle import Bundle


@covers("ScoreChannelsPass")
def test_scores_are_the_fisher_information_of_each_image_by_itself(bundle: Bundle, net: nn.Module) -> None:
    """Half the mean over images of the squared sum of activation times the gradient of that image's own loss."""
    plan = bundle.manifest.plans[0]
    images, labels = batch(0)
    expected = {layer.weight: np.zeros(layer.shape[0]) for layer in layers_of(plan)}
    for image, label in zip(torch.from_numpy(images), torch.from_numpy(labels), strict=True):
        kept = activations(net, image[None])
        loss = functional.cross_entropy(kept.pop("logits"), label[None])
        gradients = torch.autograd.grad(loss, list(kept.values()))
        for (name, activation), gradient in zip(kept.items(), gradients, strict=True):
            product = (activation * gradient).detach().double()
            expected[name] += product.sum((0, 2, 3)).square().numpy() / (2 * IMAGES)
    found = outputs(load(bundle, plan.fisher), {plan.boundary.name: images, "labels": labels})
    assert found.keys() == {layer.fisher for layer in layers_of(plan)}
    for layer in layers_of(plan):
        scores = expected[layer.weight]
        np.testing.assert_allclose(found[layer.fisher], scores, rtol=0, atol=TOLERANCE * scores.max())


def activations(net: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """What each convolution gives, by its weight, and the logits."""
    kept: dict[str, torch.Tensor] = {}

    def keep(name: str, _layer: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        kept[f"{name}.weight"] = output

    layers = [(name, layer) for name, layer in net.named_modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_hook(partial(keep, name)) for name, layer in layers]
    kept["logits"] = net(images)
    for hook in hooks:
        hook.remove()
    return kept


def test_scores_of_a_batch_are_the_mean_of_its_parts(bundle: Bundle) -> None:
    """Weighted by their images: so a device may score in micro-batches."""
    plan = bundle.manifest.plans[0]
    images, labels = batch(1)
    loaded = load(bundle, plan.fisher)
    whole, first, rest = (
        outputs(loaded, {plan.boundary.name: images[part], "labels": labels[part]})
        for part in (slice(None), slice(2), slice(2, None))
    )
    for name, scores in whole.items():
        together = (2 * first[name] + (IMAGES - 2) * rest[name]) / IMAGES
        np.testing.assert_allclose(together, scores, rtol=0, atol=1e-5 * scores.max(), err_msg=name)


def test_one_graph_scores_the_layers_of_all_plans(bundle: Bundle) -> None:
    """The deepest plan comes first, and holds the layers of the others."""
    deepest, *others = bundle.manifest.sparse_plans
    assert deepest.fisher in bundle.manifest.files
    for before, plan in zip([deepest, *others], others, strict=False):
        assert plan.fisher not in bundle.manifest.files
        assert set(layers_of(plan)) < set(layers_of(before))
