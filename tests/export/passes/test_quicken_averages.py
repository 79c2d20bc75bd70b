"""Running averages of batch norms that are too slow for a short fine-tuning are made quicker."""

from __future__ import annotations

import numpy as np

from support.covers import covers
from support.onnx_models import parse
from support.passes import apply
from tbft_export.passes.quicken_averages import QuickenAveragesPass


@covers("QuickenAveragesPass")
def test_slow_averages_become_quicker_and_others_stay() -> None:
    """0.99 and 0.5 of the old average are kept here; 0.9 is PyTorch's default."""
    weights = {name: np.ones(3, np.float32) for name in ("s", "b", "m", "v")}
    model = parse(
        """g (float[n,3,2,2] x) => (float[n,3,2,2] y) {
            a = BatchNormalization<momentum = 0.99>(x, s, b, m, v)
            y = BatchNormalization<momentum = 0.5>(a, s, b, m, v) }""",
        **weights,
    )
    assert apply(QuickenAveragesPass(), model)
    assert [round(node.attributes.get_float("momentum"), 6) for node in model.graph] == [0.9, 0.5]
