"""A batch norm that is fixed, or that takes the batch's statistics, gives the numbers and gradients of PyTorch's."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import torch
from torch.nn import functional

from support.covers import covers
from support.onnx_models import operators, parse, run
from support.passes import apply, noise
from tbft_export.compile.gradient import build_training_model
from tbft_export.passes.freeze_batch_norm import FreezeBatchNormPass
from tbft_export.passes.use_batch_statistics import UseBatchStatisticsPass
from tbft_export.pipeline import PassRunner, after_gradient, before_gradient

NORM = """g (float[n,3,4,4] x, float[3] s, float[3] b, float[3] m, float[3] v) => (float[n,3,4,4] y)
    { y = BatchNormalization <epsilon=0.001> (x, s, b, m, v) }"""


def norm_feeds() -> dict[str, np.ndarray]:
    """One channel with a tiny variance: epsilon must be inside the root."""
    return {
        "x": noise(4, 3, 4, 4),
        "s": noise(3, seed=1),
        "b": noise(3, seed=2),
        "m": noise(3, seed=3),
        "v": np.array([1e-4, 0.5, 2.0], np.float32),
    }


@covers("FreezeBatchNormPass")
def test_frozen_batch_norm_keeps_its_output() -> None:
    model, feeds = parse(NORM), norm_feeds()
    before = run(model, feeds)["y"]
    assert apply(FreezeBatchNormPass(frozenset()), model)
    assert "BatchNormalization" not in operators(model)
    np.testing.assert_allclose(run(model, feeds)["y"], before, rtol=1e-5, atol=1e-5)


def test_norms_that_use_the_batch_stay() -> None:
    """Named by their running mean, as plans name them."""
    model = parse(NORM)
    assert not apply(FreezeBatchNormPass(frozenset(), frozenset({"m"})), model)
    assert "BatchNormalization" in operators(model)
    assert apply(FreezeBatchNormPass(frozenset(), frozenset({"another"})), model)


def test_frozen_batch_norm_has_the_gradient_of_eval_mode() -> None:
    """ORT's gradient of what the pass writes is torch's in eval mode, for the input, the scale and the shift."""
    rng = np.random.default_rng(0)
    weights = {
        "s": rng.standard_normal(3, np.float32),
        "b": rng.standard_normal(3, np.float32),
        "m": rng.standard_normal(3, np.float32),
        "v": np.array([0.1, 0.5, 2.0], np.float32),
        "w": rng.standard_normal((5, 3), np.float32),
        "k": rng.standard_normal((3, 2, 1, 1)).astype(np.float32),
    }
    model = parse(
        """g (float[n,2,4,4] images) => (float[n,5] logits) {
            c = Conv(images, k)
            y = BatchNormalization <epsilon=0.001> (c, s, b, m, v)
            pooled = GlobalAveragePool(y)
            flat = Flatten(pooled)
            logits = Gemm <transB=1> (flat, w) }""",
        **weights,
    )
    trained = ["k", "s", "b", "w"]
    runner = PassRunner()
    prepared = runner.run(model, before_gradient((), ()))
    training = build_training_model(prepared, trained, ["m", "v"])
    tensors = {name: ir.tensor(value, name=name) for name, value in weights.items()}
    gradient = runner.run(training, after_gradient(tensors, trained))

    images, labels = noise(6, 2, 4, 4), np.array([0, 4, 1, 1, 3, 2])
    feeds = {"images": images, "labels": labels} | {name: weights[name] for name in trained}
    found = run(gradient, feeds)

    t = {name: torch.from_numpy(value).requires_grad_(name in trained) for name, value in weights.items()}
    y = functional.batch_norm(
        functional.conv2d(torch.from_numpy(images), t["k"]), t["m"], t["v"], t["s"], t["b"], False, 0.1, 0.001
    )
    logits = y.mean((2, 3)) @ t["w"].T
    loss = functional.cross_entropy(logits, torch.from_numpy(labels))
    expected = torch.autograd.grad(loss, [t[name] for name in trained])
    np.testing.assert_allclose(found["loss"], loss.item(), rtol=1e-6)
    assert found["correct"] == (logits.argmax(1).numpy() == labels).sum()
    for name, value in zip(trained, expected, strict=True):
        np.testing.assert_allclose(found[f"{name}_grad"], value, rtol=0, atol=1e-5 * float(value.abs().max()))


@covers("UseBatchStatisticsPass")
def test_batch_statistics_become_outputs() -> None:
    """Normalised by the biased variance; the unbiased one is handed out, as torch averages it."""
    model, feeds = parse(NORM), norm_feeds()
    assert apply(UseBatchStatisticsPass(), model)
    found = run(model, feeds)
    t = {name: torch.from_numpy(value.copy()) for name, value in feeds.items()}
    y = functional.batch_norm(t["x"], t["m"], t["v"], t["s"], t["b"], True, 1.0, 0.001)
    for name, expected in (("y", y), ("m.batch", t["m"]), ("v.batch", t["v"])):
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)
