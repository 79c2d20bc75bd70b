"""The list of passes names what it cannot make standard, and shows the graph where it is asked to."""

from __future__ import annotations

import pytest

from support.onnx_models import parse
from tbft_artifacts.errors import TbftError
from tbft_export.passes.remove_training_leftovers import RemoveTrainingLeftoversPass
from tbft_export.passes.rewrite_average_pool import RewriteAveragePoolPass
from tbft_export.pipeline import PassRunner, check_standard

RELU = "g (float[n,3] x) => (float[n,3] y) { y = Relu(x) }"


def test_what_is_not_standard_is_named() -> None:
    check_standard(parse(RELU))
    model = parse("g (float[n,3] x) => (float[n,3] y) { y = com.microsoft.QuickGelu(x) }")
    with pytest.raises(TbftError, match="microsoft::QuickGelu at node 'QuickGelu_0' is not standard ONNX"):
        check_standard(model)


def test_the_graph_is_dumped_after_the_named_pass_only(capfd: pytest.CaptureFixture[str]) -> None:
    runner = PassRunner(dump_after="RemoveTrainingLeftoversPass")
    runner.run(parse(RELU), [RemoveTrainingLeftoversPass(), RewriteAveragePoolPass({"x"})])
    output, errors = capfd.readouterr()
    assert output == ""
    assert errors.count("# after ") == 1
    assert errors.startswith("# after RemoveTrainingLeftoversPass\n")
    assert "Relu" in errors
