"""Forward graph + what to train -> the graphs of one plan."""

from __future__ import annotations

import math

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import BatchNormPolicy, Boundary, ConvolutionForm, Parameter, Plan
from tbft_artifacts.sparse import SparseUpdate
from tbft_export.blocks.layers import trainable_parameters
from tbft_export.compile.request import CompiledPlan, PlanRequest
from tbft_export.compile.statistics import batch_norms, batch_statistics, statistics_part
from tbft_export.compile.training import FullCosts, check_types, training_model
from tbft_export.compile.update import build_update
from tbft_export.convolutions.forms import forms_of
from tbft_export.convolutions.sparse import check_statistics, most_chosen, sparse_layers, without_rows
from tbft_export.graph.boundary import find_boundary
from tbft_export.graph.cost import largest_activation, training_cost
from tbft_export.graph.forward import ForwardModel
from tbft_export.graph.memory import micro_batch, plan_memory
from tbft_export.graph.subgraph import extract, image_shape
from tbft_export.pipeline import PassRunner, after_gradient, batch_mode, check_standard, forward_in, score_channels
from tbft_export.training_plan import TrainingPlan


def compile_plan(
    forward: ForwardModel, request: PlanRequest, runner: PassRunner, full_costs: FullCosts | None = None
) -> CompiledPlan:
    """Compile one plan. What training everything would cost is asked of `full_costs`, which several plans may share.

    Raises TbftError for operators that cannot be trained through, where an int8 prefix is asked for that does not
    exist or does not stay as it is, and for sparse weights that are no convolution's or with batch statistics.
    """
    asked = request.training
    trainable, policy = list(asked.parameters), asked.policy
    layers = sparse_layers(forward.graph, asked.sparse)
    if layers:
        check_statistics(policy)

    boundary = find_boundary(forward.graph, frozenset((*trainable, *asked.sparse)))
    prefix = None if boundary.is_graph_input() else extract(forward.model, forward.graph.inputs[0], boundary)
    if asked.prefix == "int8":
        _check_quantizable(prefix, policy)
    suffix = extract(forward.model, boundary, forward.graph.outputs[0])
    check_types(suffix.graph)
    statistics = batch_statistics(forward.graph, suffix.graph, policy)
    norms = [norm for norm in batch_norms(forward.graph) if norm.mean in statistics]
    is_fixed = policy == "batch" and bool(statistics) and prefix is not None and not batch_norms(prefix.graph)
    training = training_model(
        suffix.clone(), forward.weights, trainable, statistics, runner, sparse=asked.sparse, masked=asked.masked
    )

    at_once = micro_batch(largest_activation(training.graph), request.batch_size)
    parameters = tuple(_parameter(forward, name) for name in trainable)
    elements = sum(math.prod(parameter.shape) for parameter in parameters)
    cost = training_cost(training.graph, None if prefix is None else prefix.graph, elements)
    cost = without_rows(cost, layers)
    everything = trainable_parameters(forward.graph, forward.trainable)
    full_costs = full_costs or FullCosts(forward, runner)
    full = cost if trainable == everything else full_costs.of(everything, policy)

    tensors = {name: forward.tensor(name) for name in forward.weights}
    gradients = {
        form: runner.run(training.clone(), after_gradient(tensors, trainable, form, layers))
        for form in forms_of(suffix.graph)
    }
    targets = None
    if not layers:
        default = next(iter(gradients))
        targets = runner.run(training.clone(), after_gradient(tensors, trainable, default, takes_targets=True))
    prefixes = {} if prefix is None else _prefixes(prefix, asked, forward.weights, runner)
    plan = Plan(
        id=request.id,
        method=asked.method,
        drift=asked.drift,
        blocks=asked.blocks,
        batch_norm=policy,
        batch_statistics=statistics,
        parameters=parameters,
        boundary=Boundary(name=boundary.name or "", shape=image_shape(boundary)),
        gradient_forms=tuple(gradients),
        prefix_forms=tuple(prefixes),
        gradient_memory=tuple(plan_memory(gradient, most_chosen(layers)) for gradient in gradients.values()),
        prefix_memory=tuple(map(plan_memory, prefixes.values())),
        suffix_memory=plan_memory(suffix),
        optimizer=request.optimizer,
        batch_size=request.batch_size,
        micro_batch=at_once,
        cost=cost,
        full_cost=full,
        sparse=SparseUpdate(layers) if layers else None,
        # What costs nothing is not worth keeping: a module's own normalisation of its images.
        fixed_prefix=is_fixed and cost.prefix_flops > 0,
        statistics_part=statistics_part(norms, request.norm_part, at_once),
        targets_memory=None if targets is None else plan_memory(targets),
    )
    update = build_update([plan.flat], request.optimizer.kind, open_length=bool(layers))
    fisher = runner.run(training, score_channels(tensors, layers, next(iter(gradients)))) if request.scores else None
    for model in (suffix, update, *gradients.values(), *prefixes.values(), *filter(None, (targets, fisher))):
        check_standard(model)
    return CompiledPlan(plan, prefixes, suffix, gradients, update, targets, fisher)


def _prefixes(
    prefix: ir.Model, asked: TrainingPlan, weights: frozenset[str], runner: PassRunner
) -> dict[ConvolutionForm, ir.Model]:
    """The prefix in the forms that pay, with batch statistics where those are asked for."""
    # The quantiser takes a graph of layers, and its kernels know no other form.
    forms: tuple[ConvolutionForm, ...] = ("direct",) if asked.prefix == "int8" else forms_of(prefix.graph)
    if asked.policy == "batch":
        prefix = runner.run(prefix, batch_mode(weights))
    return {form: runner.run(prefix.clone(), forward_in(form, weights)) for form in forms}


def _check_quantizable(prefix: ir.Model | None, policy: BatchNormPolicy) -> None:
    """Integer weights hold the batch norms' statistics; they are those of the export for good."""
    if prefix is None:
        raise TbftError(
            "training begins at the input, so there is no frozen prefix that could be int8",
            "leave `prefix` int8 out, or train a later block: `drift` feature, `drift` output or `blocks`",
        )
    if policy not in ("frozen", "block"):
        raise TbftError(
            f"an int8 prefix has fixed batch-norm statistics, which `batch_norm` {policy} would move",
            "export with `batch_norm` block or `batch_norm` frozen, or without `prefix` int8",
        )


def _parameter(forward: ForwardModel, name: str) -> Parameter:
    return Parameter(name=name, shape=tuple(int(dim) for dim in forward.tensor(name).shape.numpy()))
