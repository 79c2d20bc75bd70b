"""The compiler's passes, in order, each with the reason why it stands where it stands."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir
from onnx_ir.passes import common

from tbft_artifacts.errors import TbftError
from tbft_artifacts.operators import IN_BUNDLES, MOST_NODES
from tbft_artifacts.plan import ConvolutionForm
from tbft_artifacts.sparse import SparseLayer
from tbft_artifacts.words import clean
from tbft_export.graph.activations import Activation
from tbft_export.passes.count_correct import CountCorrectPass
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
from tbft_export.passes.score_channels import ScoreChannelsPass
from tbft_export.passes.separate_readers import SeparateReadersPass
from tbft_export.passes.spatial_major_layout import SpatialMajorLayoutPass
from tbft_export.passes.stand_in_for_activations import StandInForActivationsPass
from tbft_export.passes.take_branches import TakeBranchesPass
from tbft_export.passes.take_gradients import TakeGradientsPass
from tbft_export.passes.take_targets import TakeTargetsPass
from tbft_export.passes.train_rows import TrainRowsPass
from tbft_export.passes.unroll_recurrence import UnrollRecurrencePass
from tbft_export.passes.use_batch_statistics import UseBatchStatisticsPass
from tbft_export.passes.widen_one_dimension import WidenOneDimensionPass
from tbft_export.passes.write_out_activations import WriteOutActivationsPass
from tbft_export.passes.write_out_computed_norms import WriteOutComputedNormsPass
from tbft_export.passes.write_out_layers import WriteOutLayersPass
from tbft_export.passes.write_out_moves import WriteOutMovesPass

# Constants of the lowerings are far smaller than this; weights are larger or have a name of their own.
LARGEST_CONSTANT = 1 << 20


@dataclass(frozen=True)
class PassRunner:
    """Runs passes; after the one named `dump_after` it prints the graph on stderr."""

    dump_after: str | None = None

    def run(self, model: ir.Model, passes: Iterable[ir.passes.PassBase]) -> ir.Model:
        """Apply `passes` to `model`, in place where they work in place."""
        for step in passes:
            model = step(model).model
            if self.dump_after == type(step).__name__:
                sys.stderr.write(f"# after {self.dump_after}\n")
                sys.stderr.writelines(f"{clean(line)}\n" for line in str(model).split("\n"))
        return model


def clean_forward(weights: frozenset[str]) -> list[ir.passes.PassBase]:
    """Forward graph as it was traced -> one node per layer, with every shape but the batch known."""
    return [
        RemoveTrainingLeftoversPass(),  # First: dropout and copied parameters would hide what follows.
        QuickenAveragesPass(),
        common.ShapeInferencePass(),  # Folding `Shape` needs static dimensions.
        WriteOutComputedNormsPass(weights),  # Of known rank; folding could hide what is computed.
        FoldConstantsPass(weights),
        FoldSizesPass(weights),  # What is left of shape arithmetic: that with the batch in it.
        TakeBranchesPass(weights),  # Whether an axis has one element is decided only now.
        FindShapesPass(weights),  # What -1 stands for in a Reshape, which neither could tell.
        UnrollRecurrencePass(),  # Over sequences whose length is known only now.
        ExplicitPaddingPass(),  # Of images whose size is known; the next one adds to it.
        FoldPadPass(),  # Its amounts are constants only now.
        common.RemoveUnusedNodesPass(),  # Leftovers of what was folded.
        common.ShapeInferencePass(),  # Folded pads and axes give shapes that were unknown before.
    ]


def before_gradient(
    batch_statistics: Collection[str],
    trainable: Sequence[str],
    sparse: Sequence[str] = (),
    *,
    runs_on_ort_training: bool = False,
) -> list[ir.passes.PassBase]:
    """Forward graph -> the form that ORT's gradient builder gets right, and its kernels too if they are to run.

    Norms whose running mean `batch_statistics` names use the batch's statistics. Of the weights `sparse` rows are
    trained: a fixed norm's scale still goes into the filters, since it is as fixed.
    """
    trained = frozenset((*trainable, *sparse))
    return [
        # ORT differentiates any BatchNormalization that is left as one with batch statistics.
        FreezeBatchNormPass(frozenset(trainable), frozenset(batch_statistics)),
        WriteOutMovesPass(trained),  # It has no gradient for these, or a wrong one.
        WidenOneDimensionPass(trained),  # Behind the last, which leaves a Conv or a pool; the next one knows images.
        # Its gradient crashes in ORT Training; of windows that tile the image it has a lowering.
        RewriteAveragePoolPass(trained, keep_tiling=not runs_on_ort_training),
        # It has no gradient for these either, or asks for outputs that they do not have.
        WriteOutLayersPass(trained),
        # It has no gradient for some, and a clumsy one for ReLU6.
        WriteOutActivationsPass() if runs_on_ort_training else StandInForActivationsPass(),
        SeparateReadersPass(trained),  # Fixed norms are none any more.
        common.ShapeInferencePass(),  # MaxPoolGrad and the lowerings read annotated shapes.
    ]


def from_ort_training(activations: Mapping[str, Activation], *, masked: bool = False) -> list[ir.passes.PassBase]:
    """ORT's training graph -> the same with the activations of the forward graph, and their gradients.

    With `masked` the backward of ReLU6 and hard-swish is a mask.
    """
    return [RestoreActivationsPass(activations, masked=masked)]


def after_gradient(
    weights: Mapping[str, ir.TensorProtocol],
    trainable: Sequence[str],
    form: ConvolutionForm = "direct",
    sparse: Sequence[SparseLayer] = (),
    *,
    takes_targets: bool = False,
) -> list[ir.passes.PassBase]:
    """ORT's training graph -> the device's gradient graph, standard operators only; with labels, or with targets."""
    return [
        TakeGradientsPass(),  # First: it makes the gradients graph outputs, so that they are kept.
        FreezeWeightsPass(weights, [*trainable, *(layer.weight for layer in sparse)]),
        # While the logits are still an output, and the loss is still one node.
        TakeTargetsPass() if takes_targets else CountCorrectPass(),
        common.IdentityEliminationPass(),  # ORT emits dozens; lowerings ask who uses an output.
        TrainRowsPass(sparse, weights),  # Ahead of the next, which removes the gradients of whole weights.
        common.RemoveUnusedNodesPass(),  # Gradients of parameters that are not trained.
        *_lower(form, frozenset(weights)),
    ]


def score_channels(
    weights: Mapping[str, ir.TensorProtocol], sparse: Sequence[SparseLayer], form: ConvolutionForm = "direct"
) -> list[ir.passes.PassBase]:
    """ORT's training graph -> the graph that scores channels, standard operators only."""
    return [
        TakeGradientsPass(),  # The scores are found from the gradients.
        FreezeWeightsPass(weights, [layer.weight for layer in sparse]),
        ScoreChannelsPass(sparse),
        FreezeWeightsPass(weights, ()),  # With the gradients gone, nothing is trained.
        common.IdentityEliminationPass(),
        common.RemoveUnusedNodesPass(),  # The gradients of weights.
        *_lower(form, frozenset(weights)),
    ]


def _lower(form: ConvolutionForm, weights: frozenset[str]) -> list[ir.passes.PassBase]:
    """Lowerings applied, and what they leave behind cleaned up."""
    keep_spatial_major = [
        common.ShapeInferencePass(),  # The layout pass asks which values are images.
        SpatialMajorLayoutPass(),
        common.RemoveUnusedNodesPass(),  # Turns that nothing reads any more.
    ]
    return [
        LowerTrainingOperatorsPass(form),
        *(keep_spatial_major if form == "winograd" else []),
        FoldConstantsPass(weights),  # Shape arithmetic that lowerings and ORT left.
        common.DeduplicateInitializersPass(LARGEST_CONSTANT),  # Equal constants first, so that equal nodes are seen.
        common.CommonSubexpressionEliminationPass(),  # x - mean, and tiles, are needed forward and backward.
        common.RemoveUnusedNodesPass(),
        common.TopologicalSortPass(),
        ResultsLastPass(),  # Last: any sorting would undo it.
    ]


def batch_mode(weights: frozenset[str]) -> list[ir.passes.PassBase]:
    """Forward graph -> the same with batch statistics, which become outputs."""
    return [
        UseBatchStatisticsPass(),
        FoldConstantsPass(weights),
        common.RemoveUnusedNodesPass(),
    ]


def forward_in(form: ConvolutionForm, weights: frozenset[str]) -> list[ir.passes.PassBase]:
    """Forward graph -> the same with its convolutions written in `form`."""
    if form == "direct":
        return []  # As it is: where nothing is trained, ONNX Runtime fuses best what it knows.
    return [
        FreezeBatchNormPass(frozenset()),
        common.ShapeInferencePass(),  # The norms' nodes have none, and the lowering reads it.
        *_lower(form, weights),
    ]


def pass_names() -> list[str]:
    """The names of all passes, for `--dump-after`."""
    empty: frozenset[str] = frozenset()
    lists = [
        clean_forward(empty),
        before_gradient((), ()),
        from_ort_training({}),
        after_gradient({}, (), "winograd"),
        after_gradient({}, (), takes_targets=True),
        score_channels({}, ()),
        batch_mode(empty),
    ]
    return sorted({type(step).__name__ for steps in lists for step in steps})


def check_standard(model: ir.Model) -> None:
    """Raise TbftError for what devices refuse: too many nodes, or an operator such as those of other domains."""
    if len(model.graph) > MOST_NODES:
        raise TbftError(
            f"a graph of this network would have {len(model.graph):,} nodes, and {MOST_NODES:,} are the most",
            "train a block behind it, or let recurrent layers read shorter sequences",
        )
    for node in model.graph:
        if node.domain not in ("", "ai.onnx"):
            raise TbftError(
                f"operator {node.domain}::{node.op_type} at node '{node.name}' is not standard ONNX",
                "write the layer with operators of the default ONNX domain",
            )
        if node.op_type not in IN_BUNDLES:
            raise TbftError(
                f"operator {node.op_type} at node '{node.name}' is none that devices compute",
                "write the layer with other operators",
            )
