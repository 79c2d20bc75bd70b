"""Recurrent layers are written step by step: the values are ONNX Runtime's and PyTorch's, the gradients PyTorch's."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from support.covers import covers
from support.network_gradients import assert_gradients_are_pytorchs
from support.onnx_models import operators, parse, run
from support.passes import apply, assert_same, noise
from tbft_artifacts.errors import TbftError
from tbft_export.passes.unroll_recurrence import LONGEST, UnrollRecurrencePass

STEPS, FEATURES, HIDDEN, CLASSES = 5, 6, 4, 3
GATES = {"GRU": 3, "LSTM": 4, "RNN": 1}
# Operator, attributes, operands behind the weights.
LAYERS = [
    ("GRU", "linear_before_reset=1", "b,,h"),
    ("GRU", "", "b,,h"),
    ("GRU", "linear_before_reset=1", ""),
    ("GRU", 'direction="bidirectional"', "b"),
    ("GRU", 'activations=["Sigmoid", "Tanh"], direction="reverse", linear_before_reset=1', ""),
    ("LSTM", "", "b,,h,c"),
    ("LSTM", 'direction="bidirectional"', "b,,h,c"),
    ("LSTM", 'direction="reverse"', ""),
    ("RNN", "", "b,,h"),
    ("RNN", 'activations=["Relu"]', "b"),
    ("RNN", 'direction="bidirectional", activations=["Relu", "Relu"]', "b,,h"),
]


def layer(operator: str, attributes: str = "", operands: str = "", steps: str = str(STEPS)) -> ir.Model:
    """A graph of one layer, which gives all that it has."""
    count, gates = 2 if "bidirectional" in attributes else 1, GATES[operator]
    weights = {
        "w": noise(count, gates * HIDDEN, FEATURES, seed=1),
        "r": noise(count, gates * HIDDEN, HIDDEN, seed=2),
        "b": noise(count, 2 * gates * HIDDEN, seed=3),
        "h": noise(count, 2, HIDDEN, seed=4),
        "c": noise(count, 2, HIDDEN, seed=5),
        "lengths": np.full(2, STEPS, np.int32),
        "peepholes": noise(count, 3 * HIDDEN, seed=6),
    }
    names = ["x", "w", "r", *(operands.split(",") if operands else [])]
    results = ["y", "yh", "yc"][: 3 if operator == "LSTM" else 2]
    listed = ", ".join(f"float[{'a,b,c,d' if name == 'y' else 'e,f,g'}] {name}" for name in results)
    said = f"<hidden_size={HIDDEN}{', ' if attributes else ''}{attributes}>"
    given = ", ".join(name or '""' for name in names)
    text = f"g (float[{steps},2,{FEATURES}] x) => ({listed}) {{ {', '.join(results)} = {operator} {said} ({given}) }}"
    return parse(text, **{name: value for name, value in weights.items() if name in names})


@covers("UnrollRecurrencePass")
@pytest.mark.parametrize(("operator", "attributes", "operands"), LAYERS)
def test_a_layer(operator: str, attributes: str, operands: str) -> None:
    """With and without biases and a beginning, in both directions, all of its results."""
    model = layer(operator, attributes, operands)
    x = noise(STEPS, 2, FEATURES, seed=7)
    before = run(model, {"x": x})
    assert apply(UnrollRecurrencePass(), model)
    assert not GATES.keys() & set(operators(model))
    after = run(model, {"x": x})
    for name, expected in before.items():
        assert after[name].shape == expected.shape
        assert_same(after[name], expected)


@pytest.mark.parametrize(
    ("operator", "attributes", "operands", "reason"),
    [
        ("GRU", 'activations=["HardSigmoid", "Tanh"]', "", "has other activations than PyTorch's"),
        ("RNN", 'activations=["Softsign"]', "", "has other activations than PyTorch's"),
        ("LSTM", "clip=1.0", "", "clips what it sums"),
        ("LSTM", "layout=1", "", "has the batch first"),
        ("LSTM", "input_forget=1", "", "couples its gates"),
        ("GRU", "", "b,lengths", "reads sequences of different lengths"),
        ("LSTM", "", "b,,h,c,peepholes", "has peepholes"),
    ],
)
def test_what_pytorchs_layers_do_not_have_is_refused(
    operator: str, attributes: str, operands: str, reason: str
) -> None:
    with pytest.raises(TbftError, match=f"operator {operator} at node '{operator}_0' {reason}"):
        UnrollRecurrencePass()(layer(operator, attributes, operands))


@pytest.mark.parametrize(
    ("steps", "reason"),
    [("k", "reads a sequence of unknown length"), (str(LONGEST + 1), f"of {LONGEST + 1} steps, not of 1 to {LONGEST}")],
)
def test_sequences_that_cannot_be_written_out_are_refused(steps: str, reason: str) -> None:
    with pytest.raises(TbftError, match=f"operator GRU at node 'GRU_0' .*{reason}"):
        UnrollRecurrencePass()(layer("GRU", steps=steps))


class Rows(nn.Module):
    """Reads an image row by row."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.recurrent = kind(3 * FEATURES, HIDDEN, num_layers=2, bidirectional=True, batch_first=True)
        self.norm = nn.LayerNorm(2 * HIDDEN)
        self.fc = nn.Linear(2 * HIDDEN, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.permute(0, 2, 1, 3).flatten(2)
        logits: Tensor = self.fc(self.norm(self.recurrent(rows)[0][:, -1]))
        return logits


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
def test_a_network_is_trained_in_whole(kind: type[nn.RNNBase]) -> None:
    """Through two layers in both directions, whose weights the exporter puts together from PyTorch's."""
    torch.manual_seed(1)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((3, 3, FEATURES, FEATURES), np.float32)
    assert_gradients_are_pytorchs(Rows(kind), images, rng.integers(0, CLASSES, 3))
