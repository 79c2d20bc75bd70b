"""An Einsum behind a trained layer is a matrix product, and trains as in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from support.onnx_models import parse
from support.passes import noise
from support.trained_layers import assert_layer_trains
from tbft_artifacts.errors import TbftError
from tbft_export.passes.write_out_layers import WriteOutLayersPass

SHAPE = (3, 4, 5)
LENGTHS = {"c": 3, "h": 4, "w": 5, "d": 2, "e": 3}


@pytest.mark.parametrize(
    ("equation", "result"),
    [
        ("nchw,cd->ndhw", "ndhw"),  # A convolution of one pixel.
        ("nchw,chwd->nd", "nd"),  # Everything but the batch is summed over.
        ("nchw,de->ndehw", "ndehw"),  # What stands once is summed first.
        ("nchw,hd->dwcn", "dwcn"),  # The batch last.
        ("nchw,wd", "cdhn"),  # By the alphabet.
        ("nchw,c->nchw", "nchw"),  # Nothing is summed.
        ("nchw,d->nd", "nd"),
    ],
)
def test_with_weights(equation: str, result: str) -> None:
    second = equation.partition("->")[0].partition(",")[2]
    batch_first = sorted(range(len(result)), key=lambda axis: result[axis] != "n")
    assert_layer_trains(
        f'e = Einsum<equation="{equation}">(h, w) y = Transpose<perm={batch_first}>(e)',
        lambda h, w: torch.einsum(equation, h, w).permute(batch_first),
        SHAPE,
        weights={"w": noise(*(LENGTHS[letter] for letter in second))},
    )


@pytest.mark.parametrize("equation", ["nchw,ncij->nhwij", "nchw,nchj->nwj", "nchw,nchw->nh", "nchw,nchw->nhc"])
def test_of_two_activations(equation: str) -> None:
    """As attention multiplies queries with keys."""
    text = f's = Sigmoid(h) y = Einsum<equation="{equation}">(h, s)'
    assert_layer_trains(text, lambda h: torch.einsum(equation, h, h.sigmoid()), SHAPE)


@pytest.mark.parametrize("equation", ["nchw->nwhc", "nchw->nh", "nchw->nwc"])
def test_of_one_operand(equation: str) -> None:
    assert_layer_trains(f'y = Einsum<equation="{equation}">(h)', lambda h: torch.einsum(equation, h), SHAPE)


@pytest.mark.parametrize(
    ("equation", "operands", "what"),
    [
        ("n...,ab->na", "x, w", "computes 'n...,ab->na'"),
        ("nabb,ab->na", "x, w", "computes 'nabb,ab->na'"),
        ("nabc,ab,bc->n", "x, w, w", "computes 'nabc,ab,bc->n'"),
        ("nabc,mabc->nm", "x, v", "has several axes of unknown length"),
        ("nabc,abc->n", "x, w", "reads a tensor of unknown size"),
    ],
)
def test_others_are_refused_by_name(equation: str, operands: str, what: str) -> None:
    model = parse(
        f'g (float[n,3,3,3] x, float[m,3,3,3] v) => (float[a] y) {{ y = Einsum<equation="{equation}">({operands}) }}',
        w=np.ones((3, 3), np.float32),
    )
    with pytest.raises(TbftError, match=f"operator Einsum at node 'Einsum_0' {what}") as caught:
        WriteOutLayersPass({"x"})(model)
    assert "train a block behind it" in caught.value.hint
