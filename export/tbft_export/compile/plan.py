"""Forward graph + what to train -> the graphs of one plan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import BatchNormPolicy, Boundary, ConvolutionForm, Cost, Optimizer, Parameter, Plan
from tbft_artifacts.sparse import SparseUpdate
from tbft_export.blocks import trainable_parameters
from tbft_export.compile.gradient import build_training_model, write_ort_training
from tbft_export.compile.statistics import batch_statistics
from tbft_export.compile.update import build_update
from tbft_export.convolutions import winograd
from tbft_export.convolutions.read import is_readable, read_convolution
from tbft_export.convolutions.sparse import check_statistics, most_chosen, sparse_layers, without_rows
from tbft_export.graph.activations import stand_ins
from tbft_export.graph.boundary import find_boundary
from tbft_export.graph.cost import largest_activation, training_cost
from tbft_export.graph.forward import ForwardModel
from tbft_export.graph.memory import micro_batch, plan_memory
from tbft_export.graph.subgraph import extract, image_shape
from tbft_export.pipeline import (
    PassRunner,
    after_gradient,
    batch_mode,
    before_gradient,
    check_standard,
    forward_in,
    from_ort_training,
    score_channels,
)
from tbft_export.training_plan import TrainingPlan


@dataclass(frozen=True)
class PlanRequest:
    """What is trained, and how it is stepped.

    With a `prefix` "int8" the plan is one whose prefix can be quantised; here it still computes in float32.
    A plan that `scores` has the graph by which a device chooses channels.
    """

    training: TrainingPlan
    optimizer: Optimizer
    batch_size: int
    scores: bool = False

    @property
    def id(self) -> str:
        """The id of the plan: label, policy, optimizer, prefix; what goes without saying is left out."""
        training = self.training
        int8 = training.prefix if training.prefix == "int8" else None
        return "-".join(part for part in (training.label, training.policy, self.optimizer.kind, int8) if part)


@dataclass(frozen=True)
class CompiledPlan:
    """A plan and its graphs; weights are still inside them. Prefix and gradient are there in several forms.

    `fisher` scores the channels of sparse layers, in the plan that does so for all. `stages` are the parts of a network
    with exits, each up to one of them, and `whole` is that network with the last exit alone.
    """

    plan: Plan
    prefixes: Mapping[ConvolutionForm, ir.Model]
    suffix: ir.Model
    gradients: Mapping[ConvolutionForm, ir.Model]
    update: ir.Model
    fisher: ir.Model | None = None
    stages: tuple[ir.Model, ...] = ()
    whole: ir.Model | None = None


def compile_plan(forward: ForwardModel, request: PlanRequest, runner: PassRunner) -> CompiledPlan:
    """Compile one plan.

    Raises TbftError for operators that cannot be trained through, where an int8 prefix is asked for that does not
    exist or does not stay as it is, and for sparse weights that are no convolution's or with batch statistics.
    """
    parameters = trainable_parameters(forward.graph, forward.weights)
    training_plan = request.training
    trainable = list(training_plan.parameters)
    policy = training_plan.policy

    layers = sparse_layers(forward.graph, training_plan.sparse)
    if layers:
        check_statistics(policy)

    boundary = find_boundary(forward.graph, frozenset((*trainable, *training_plan.sparse)))
    prefix = None if boundary.is_graph_input() else extract(forward.model, forward.graph.inputs[0], boundary)
    if training_plan.prefix == "int8":
        _check_quantizable(prefix, policy)
    suffix = extract(forward.model, boundary, forward.graph.outputs[0])
    statistics = batch_statistics(forward.graph, suffix.graph, policy)
    training = _training_model(
        suffix.clone(),
        forward.weights,
        trainable,
        statistics,
        runner,
        sparse=training_plan.sparse,
        masked=training_plan.masked,
    )
    described = tuple(_parameter(forward.graph, name) for name in trainable)
    cost = training_cost(training.graph, None if prefix is None else prefix.graph, _elements(described))
    cost = without_rows(cost, layers)
    whole = cost if trainable == parameters else full_cost(forward, parameters, policy, runner)

    tensors = {name: _tensor(forward.graph, name) for name in forward.weights}
    gradients = {
        form: runner.run(training.clone(), after_gradient(tensors, trainable, form, layers))
        for form in forms_of(suffix.graph)
    }
    prefixes: dict[ConvolutionForm, ir.Model] = {}
    if prefix is not None:
        # The quantiser takes a graph of layers, and its kernels know no other form.
        forms: tuple[ConvolutionForm, ...] = ("direct",) if training_plan.prefix == "int8" else forms_of(prefix.graph)
        if policy == "batch":
            prefix = runner.run(prefix, batch_mode(forward.weights))
        prefixes = {form: runner.run(prefix.clone(), forward_in(form, forward.weights)) for form in forms}
    plan = Plan(
        id=request.id,
        method=training_plan.method,
        drift=training_plan.drift,
        blocks=training_plan.blocks,
        batch_norm=policy,
        batch_statistics=statistics,
        parameters=described,
        boundary=Boundary(name=boundary.name or "", shape=image_shape(boundary)),
        gradient_forms=tuple(gradients),
        prefix_forms=tuple(prefixes),
        gradient_memory=tuple(plan_memory(gradient, most_chosen(layers)) for gradient in gradients.values()),
        prefix_memory=tuple(map(plan_memory, prefixes.values())),
        suffix_memory=plan_memory(suffix),
        optimizer=request.optimizer,
        batch_size=request.batch_size,
        micro_batch=micro_batch(largest_activation(training.graph), request.batch_size),
        cost=cost,
        full_cost=whole,
        sparse=SparseUpdate(layers) if layers else None,
    )
    compiled = CompiledPlan(
        plan=plan,
        prefixes=prefixes,
        suffix=suffix,
        gradients=gradients,
        update=build_update([plan.flat], request.optimizer.kind, open_length=bool(layers)),
        fisher=runner.run(training, score_channels(tensors, layers, next(iter(gradients)))) if request.scores else None,
    )
    fisher = [] if compiled.fisher is None else [compiled.fisher]
    for model in (compiled.suffix, compiled.update, *gradients.values(), *prefixes.values(), *fisher):
        check_standard(model)
    return compiled


def is_official(plan: TrainingPlan) -> bool:
    """Whether ONNX Runtime Training's own artifacts can train as `plan` says: with exact gradients of whole tensors."""
    return not (plan.masked or plan.sparse or plan.exits)


def write_official_artifacts(forward: ForwardModel, plan: Plan, folder: Path, runner: PassRunner) -> None:
    """Write ORT Training's own artifacts of the whole model for `plan` into `folder`."""
    trainable = [parameter.name for parameter in plan.parameters]
    passes = before_gradient(plan.batch_statistics, trainable, runs_on_ort_training=True)
    prepared = runner.run(forward.model.clone(), passes)
    present = [name for name in prepared.graph.initializers if name in forward.weights and name not in trainable]
    write_ort_training(prepared, trainable, present, plan.optimizer.kind, folder)


def forms_of(graph: ir.Graph) -> tuple[ConvolutionForm, ...]:
    """The forms that make a difference for the convolutions of `graph`, the one that suits a Raspberry Pi first."""
    convolutions = [node for node in graph if node.op_type == "Conv" and is_readable(node)]
    if any(winograd.suits(read_convolution(node, *node.inputs[:2])) for node in convolutions):
        return ("winograd", "direct")
    return ("direct",)


def _check_quantizable(prefix: ir.Model | None, policy: BatchNormPolicy) -> None:
    """Integer weights hold the batch norms' statistics; they are those of the export for good."""
    if prefix is None:
        raise TbftError(
            "training begins at the input, so there is no frozen prefix that could be int8",
            "leave --prefix int8 out, or train a later block: --drift feature, --drift output or --block",
        )
    if policy not in ("frozen", "block"):
        raise TbftError(
            f"an int8 prefix has fixed batch-norm statistics, which --bn {policy} would move",
            "export with --bn block or --bn frozen, or without --prefix int8",
        )


def _training_model(
    suffix: ir.Model,
    weights: frozenset[str],
    trainable: Sequence[str],
    statistics: Sequence[str],
    runner: PassRunner,
    *,
    sparse: Sequence[str] = (),
    masked: bool = False,
) -> ir.Model:
    prepared = runner.run(suffix, before_gradient(statistics, trainable, sparse))
    trained = [*trainable, *sparse]
    frozen = [name for name in prepared.graph.initializers if name in weights and name not in trained]
    training = build_training_model(prepared, trained, frozen)
    return runner.run(training, from_ort_training(stand_ins(prepared.graph), masked=masked))


def full_cost(
    forward: ForwardModel, parameters: Sequence[str], policy: BatchNormPolicy, runner: PassRunner
) -> Cost | None:
    """What full fine-tuning would cost; None if the frozen part has an operator without a gradient."""
    # Its suffix is the whole model.
    statistics = batch_statistics(forward.graph, forward.graph, policy)
    try:
        training = _training_model(forward.model.clone(), forward.weights, parameters, statistics, runner)
    except TbftError:
        return None
    return training_cost(training.graph, None, _elements([_parameter(forward.graph, name) for name in parameters]))


def _parameter(graph: ir.Graph, name: str) -> Parameter:
    return Parameter(name=name, shape=tuple(int(dim) for dim in _tensor(graph, name).shape.numpy()))


def _tensor(graph: ir.Graph, name: str) -> ir.TensorProtocol:
    tensor = graph.initializers[name].const_value
    assert tensor is not None
    return tensor


def _elements(parameters: Sequence[Parameter]) -> int:
    return sum(math.prod(parameter.shape) for parameter in parameters)
