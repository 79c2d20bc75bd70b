"""Each pass has a test, and leaves a graph alone that has nothing for it."""

from __future__ import annotations

import importlib
import pkgutil

import onnx_ir as ir
import pytest

from support.covers import covered
from support.onnx_models import operators, parse
from support.passes import apply
from tbft_export import passes
from tbft_export.passes.explicit_padding import ExplicitPaddingPass
from tbft_export.passes.find_shapes import FindShapesPass
from tbft_export.passes.fold_constants import FoldConstantsPass
from tbft_export.passes.fold_pad import FoldPadPass
from tbft_export.passes.fold_sizes import FoldSizesPass
from tbft_export.passes.freeze_batch_norm import FreezeBatchNormPass
from tbft_export.passes.freeze_weights import FreezeWeightsPass
from tbft_export.passes.lower_training_operators import LowerTrainingOperatorsPass
from tbft_export.passes.quicken_averages import QuickenAveragesPass
from tbft_export.passes.remove_training_leftovers import RemoveTrainingLeftoversPass
from tbft_export.passes.restore_activations import RestoreActivationsPass
from tbft_export.passes.results_last import ResultsLastPass
from tbft_export.passes.rewrite_average_pool import RewriteAveragePoolPass
from tbft_export.passes.separate_readers import SeparateReadersPass
from tbft_export.passes.stand_in_for_activations import StandInForActivationsPass
from tbft_export.passes.take_branches import TakeBranchesPass
from tbft_export.passes.take_gradients import TakeGradientsPass
from tbft_export.passes.unroll_recurrence import UnrollRecurrencePass
from tbft_export.passes.use_batch_statistics import UseBatchStatisticsPass
from tbft_export.passes.widen_one_dimension import WidenOneDimensionPass
from tbft_export.passes.write_out_activations import WriteOutActivationsPass
from tbft_export.passes.write_out_moves import WriteOutMovesPass

RELU = "g (float[n,3] x) => (float[n,3] y) { y = Relu(x) }"


def test_every_pass_is_tested() -> None:
    """By a test that says so."""
    modules = [
        importlib.import_module(f"{passes.__name__}.{found.name}") for found in pkgutil.iter_modules(passes.__path__)
    ]
    names = {
        kind.__name__
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, ir.passes.PassBase) and kind.__module__ == module.__name__
    }
    assert names == {name for name in covered() if "::" not in name}


@pytest.mark.parametrize(
    "step",
    [
        ExplicitPaddingPass(),
        FindShapesPass(frozenset()),
        FoldConstantsPass(frozenset()),
        FoldPadPass(),
        FoldSizesPass(frozenset()),
        FreezeBatchNormPass(frozenset()),
        FreezeWeightsPass({}, []),
        LowerTrainingOperatorsPass(),
        QuickenAveragesPass(),
        RemoveTrainingLeftoversPass(),
        RestoreActivationsPass({}),
        ResultsLastPass(),
        RewriteAveragePoolPass({"x"}),
        SeparateReadersPass(frozenset()),
        StandInForActivationsPass(),
        TakeBranchesPass(frozenset()),
        TakeGradientsPass(),
        UnrollRecurrencePass(),
        UseBatchStatisticsPass(),
        WidenOneDimensionPass({"x"}),
        WriteOutActivationsPass(),
        WriteOutMovesPass({"x"}),
    ],
    ids=lambda step: type(step).__name__,
)
def test_a_graph_without_its_pattern_is_not_modified(step: ir.passes.PassBase) -> None:
    """CountCorrectPass is not here: it stands for one graph and always changes it."""
    model = parse(RELU)
    assert not apply(step, model)
    assert operators(model) == ["Relu"]
