"""A choice that is made already is its branch; one that the images make stays, and is refused by name."""

from __future__ import annotations

import io

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch.nn import functional

from support.covers import covers
from support.onnx_models import operators, parse, run
from support.passes import apply, noise
from tbft_artifacts.errors import TbftError
from tbft_export.passes.fold_constants import FoldConstantsPass
from tbft_export.passes.take_branches import TakeBranchesPass
from tbft_export.pipeline import PassRunner, check_standard, clean_forward

CHOICE = """g (float[n,4] x) => (float[n,4] y) { %s y = If (c)
    <then_branch = one () => (float[n,4] a) { t = Add (x, x) a = Neg (t) },
     else_branch = two () => (float[n,4] b) { b = Abs (x) }> }"""


@covers("TakeBranchesPass")
@pytest.mark.parametrize(("condition", "left"), [(True, ["Add", "Neg"]), (False, ["Abs"])])
def test_the_branch_that_is_taken(condition: bool, left: list[str]) -> None:
    """Also where what it gives is an output of the network."""
    model = parse(CHOICE % "", c=np.array(condition))
    x = noise(3, 4)
    before = run(model, {"x": x})["y"]
    assert apply(TakeBranchesPass(frozenset()), model)
    assert operators(model) == left
    np.testing.assert_array_equal(run(model, {"x": x})["y"], before)


def test_a_choice_by_the_images_stays() -> None:
    """And is no constant, although nothing of the branches is among the node's inputs."""
    model = parse(CHOICE % "m = ReduceMax <keepdims=0> (x) c = Greater (m, zero)", zero=np.float32(0))
    assert not apply(FoldConstantsPass(frozenset()), model)
    assert not apply(TakeBranchesPass(frozenset()), model)
    with pytest.raises(TbftError, match="operator If at node 'If_2' is none that devices compute"):
        check_standard(model)


def test_squeeze_as_pytorch_exports_it() -> None:
    """torch's local response norm: the exporter asks whether an axis has one element."""

    class Net(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functional.local_response_norm(x, 3)

    buffer, images = io.BytesIO(), noise(2, 4, 5, 5)
    torch.onnx.export(
        Net(),
        (torch.from_numpy(images),),
        buffer,  # type: ignore[arg-type]  # The TorchScript exporter takes a file object.
        dynamo=False,
        input_names=["x"],
        dynamic_axes={"x": {0: "n"}},
        do_constant_folding=False,
        opset_version=17,
    )
    model = PassRunner().run(ir.from_proto(onnx.load_from_string(buffer.getvalue())), clean_forward(frozenset()))
    assert "If" not in operators(model)
    (found,) = run(model, {"x": images}).values()
    np.testing.assert_allclose(found, Net()(torch.from_numpy(images)).numpy(), rtol=1e-5)
