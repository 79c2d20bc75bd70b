"""A network with exits -> the graphs of one way to personalise them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import onnx_ir as ir

from tbft_artifacts.manifest import Block
from tbft_artifacts.plan import BYTES_PER_FLOAT, Boundary, ConvolutionForm, Cost, Exit, Plan
from tbft_export.blocks.layers import trainable_parameters
from tbft_export.compile.request import CompiledPlan, PlanRequest
from tbft_export.compile.training import FullCosts
from tbft_export.compile.update import build_update
from tbft_export.convolutions.forms import forms_of
from tbft_export.exits.attach import FEATURES
from tbft_export.exits.gradient import build_gradient, parameters_of
from tbft_export.exits.heads import Head
from tbft_export.exits.network import ExitNetwork
from tbft_export.exits.stages import build_predict, build_stages
from tbft_export.graph.cost import forward_flops
from tbft_export.graph.forward import BATCH
from tbft_export.graph.memory import micro_batch, plan_memory
from tbft_export.graph.subgraph import extract, value_named
from tbft_export.pipeline import PassRunner, check_standard, forward_in


def compile_exits(
    network: ExitNetwork, request: PlanRequest, runner: PassRunner, full_costs: FullCosts
) -> CompiledPlan:
    """Compile the plan that trains the exits of `network` and nothing else.

    Raises TbftError for an operator that is not standard ONNX.
    """
    training = request.training
    assert training.exits is not None
    forward, heads = network.forward, network.heads
    features = value_named(forward.graph, FEATURES)
    width = sum(head.weight.shape[1] for head in heads)
    features.shape = ir.Shape([BATCH, width])
    prefix = extract(forward.model, forward.graph.inputs[0], features)
    suffix = extract(forward.model, features, forward.graph.outputs[0])
    prefixes: dict[ConvolutionForm, ir.Model] = {
        form: runner.run(prefix.clone(), forward_in(form, forward.weights)) for form in forms_of(prefix.graph)
    }
    gradient = build_gradient(heads, training.exits.personalisation)
    stages = build_stages(network.base, network.early)
    parameters = trainable_parameters(network.base.graph, network.base.trainable)
    plan = Plan(
        id=request.id,
        method=training.method,
        drift=training.drift,
        blocks=training.blocks,
        batch_norm=training.policy,
        batch_statistics=(),
        parameters=parameters_of(heads),
        boundary=Boundary(FEATURES, (width,)),
        gradient_forms=("direct",),
        prefix_forms=tuple(prefixes),
        gradient_memory=(plan_memory(gradient),),
        prefix_memory=tuple(map(plan_memory, prefixes.values())),
        suffix_memory=plan_memory(suffix),
        optimizer=request.optimizer,
        batch_size=request.batch_size,
        micro_batch=micro_batch(width * BYTES_PER_FLOAT, request.batch_size),
        cost=_cost(prefix.graph, heads),
        full_cost=full_costs.of(parameters, training.policy),
        exits=_describe(network, stages),
        unlabelled=training.exits.personalisation != "labels",
    )
    update = build_update([plan.flat], request.optimizer.kind)
    predict = build_predict(network.base, len(network.early))
    for model in (*prefixes.values(), suffix, gradient, update, *stages, predict):
        check_standard(model)
    return CompiledPlan(plan, prefixes, suffix, {"direct": gradient}, update, stages=stages, predict=predict)


def exit_blocks(network: ExitNetwork) -> tuple[Block, ...]:
    """The exits as blocks of parameters."""
    return tuple(
        Block(f"exits.{number}", head.weight.size + head.bias.size) for number, head in enumerate(network.heads)
    )


def _describe(network: ExitNetwork, stages: Sequence[ir.Model]) -> tuple[Exit, ...]:
    """Each exit by the block behind which it stands; those before it are computed on the way."""
    names = [*(each.depth.block for each in network.early), network.own.weight.rpartition(".")[0]]
    flops = itertools.accumulate(forward_flops(stage.graph) for stage in stages)
    return tuple(Exit(name, count) for name, count in zip(names, flops, strict=True))


def _cost(prefix: ir.Graph, heads: Sequence[Head]) -> Cost:
    """That of the closed form: per head one matrix product forward and one backward, which reads the features, the
    logarithms of the probabilities and the targets.
    """
    products = sum(head.weight.size for head in heads)
    classes, width = len(heads[-1].bias), sum(head.weight.shape[1] for head in heads)
    return Cost(
        prefix_flops=forward_flops(prefix),
        forward_flops=2 * products,
        backward_flops=2 * products,
        activation_bytes=BYTES_PER_FLOAT * (width + classes * len(heads) + classes),
        parameter_bytes=BYTES_PER_FLOAT * sum(head.weight.size + head.bias.size for head in heads),
    )
