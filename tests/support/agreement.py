"""Train a bundle and a torch module on the same batches, to compare what comes out. Host only."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import onnx_ir as ir
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn
from torch.nn import functional

from support.batches import Batch
from support.decisions import Decisions, ShareDecisions, WatchedGradient
from support.torch_parts import PooledAverages, in_parts
from tbft_artifacts.bundle import Bundle, file_entry
from tbft_artifacts.manifest import STATISTICS
from tbft_artifacts.plan import ConvolutionForm, OptimizerKind, Plan
from tbft_export.compile.update import build_update, optimizer
from tbft_export.reference.soft_targets import SoftTargets
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.graphs.sessions import load_graph
from tbft_runtime.run.execution import default_execution
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import TrainingState
from tbft_runtime.training.batch_norm import reestimate
from tbft_runtime.training.step import TrainStep

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Hyper:
    """`momentum` is beta1 for Adam and AdamW."""

    lr: float
    momentum: float
    weight_decay: float


@dataclass(frozen=True)
class Trained:
    """The loss of each step, and every trained tensor and running average after the last one.

    `unmoved` marks the elements whose gradient was exactly 0 in a step; only PyTorch's are known.
    """

    losses: list[float]
    tensors: Mapping[str, np.ndarray]
    unmoved: Mapping[str, np.ndarray] = field(default_factory=dict)


def plan_with_optimizer(bundle: Bundle, kind: OptimizerKind) -> Plan:
    """The bundle's plan with the update graph of another optimizer: no other graph depends on it."""
    plan = bundle.plan()
    if plan.optimizer.kind == kind:
        return plan
    changed = msgspec.structs.replace(
        plan, id=f"{plan.id}-{kind}", optimizer=optimizer(kind, plan.optimizer.lr, 0.9, None)
    )
    shutil.copytree(bundle.path(plan.file("")), bundle.path(changed.file("")), dirs_exist_ok=True)
    ir.save(build_update([changed.flat], kind), bundle.path(changed.update))
    folder = bundle.path(changed.file(""))
    # What is not listed is not read.
    entries = {changed.file(path.name): file_entry(path) for path in folder.iterdir() if path.is_file()}
    bundle.manifest.files.update(entries)
    return changed


def train_bundle(
    bundle: Bundle, plan: Plan, hyper: Hyper, batches: Sequence[Batch], form: ConvolutionForm | None = None
) -> tuple[Trained, list[Decisions]]:
    """Train with the device's own step, one batch after the other; `form` None is the default one."""
    base = load_file(bundle.weights)
    norms = bundle.manifest.batch_norms
    moved = norms if plan.batch_norm == "adapt" else bundle.manifest.moving_norms(plan)
    moving = [name for norm in moved for name in (norm.mean, norm.variance)]
    current = {name: base[name] for name in [*(parameter.name for parameter in plan.parameters), *moving]}
    if plan.batch_norm == "adapt":
        statistics = load_graph(bundle.path(STATISTICS), base, 1)
        numbers = [np.full(len(batch.labels), number) for number, batch in enumerate(batches)]
        current |= reestimate(statistics, norms, numbers, lambda same: batches[same[0]].images)
    fixed = {**base, **current}
    slots = {
        parameter.state(slot): np.zeros(parameter.shape, np.float32)
        for parameter in plan.parameters
        for slot in plan.optimizer.slots
    }
    state = TrainingState(current=current, slots=slots, best={})
    settings = _settings(bundle, plan, hyper)
    # The bundle's own defaults, whatever this machine would take.
    forms = {
        "gradient_form": form or plan.gradient_forms[0],
        "prefix_form": (form or plan.prefix_forms[0]) if plan.has_prefix else None,
    }
    settings = msgspec.structs.replace(settings, execution=msgspec.structs.replace(settings.execution, **forms))
    prefix = load_prefix(bundle, plan, settings, fixed)
    takes_targets = batches[0].targets is not None
    step = TrainStep(bundle, plan, settings, fixed, prefix, takes_targets=takes_targets)
    gradient = plan.targets if takes_targets else plan.gradient_in(form or plan.gradient_forms[0])
    watched = WatchedGradient(bundle, plan, fixed, gradient)
    step.gradient = watched  # type: ignore[assignment]
    losses = [step.run(state, batch.images, batch.targets or batch.labels).loss for batch in batches]
    return Trained(losses, state.current), watched.decisions


def train_torch(
    module: nn.Module,
    plan: Plan,
    hyper: Hyper,
    batches: Sequence[Batch],
    decisions: Sequence[Decisions],
    *,
    masked: bool = False,
) -> tuple[Trained, int]:
    """The same in PyTorch, on a copy of `module`: dropout off, batch norms as the plan's policy says.

    `masked`: the plan's backward of ReLU6 and hard-swish is a mask.
    Also returns how many of its own decisions it gave up, see `support.decisions`.
    """
    net = copy.deepcopy(module).eval()
    norms = {name: layer for name, layer in net.named_modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)}
    if plan.batch_norm == "adapt":
        _adapt(net, list(norms.values()), batches)
    for name, norm in norms.items():
        norm.train(f"{name}.running_mean" in plan.batch_statistics)
    parameters = dict(net.named_parameters())
    trained = {parameter.name: parameters[parameter.name] for parameter in plan.parameters}
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in trained)
    rule = OPTIMIZERS[plan.optimizer.kind](list(trained.values()), hyper)
    averages = PooledAverages(norms if plan.statistics_part else {})
    decided = iter(decisions)
    losses = []
    adopted = 0
    unmoved = {name: np.zeros(tensor.shape, bool) for name, tensor in trained.items()}
    for batch in batches:
        rule.zero_grad()
        losses.append(0.0)
        for part in in_parts(batch, plan.statistics_part):
            with ShareDecisions(next(decided), masked=masked) as sharing:
                logits = net(torch.from_numpy(part.images))
            adopted += sharing.adopted
            loss = _mean_loss(logits, part) * (len(part.labels) / len(batch.labels))
            torch.autograd.backward(loss)
            losses[-1] += loss.item()
        averages.move()
        for name, tensor in trained.items():
            assert tensor.grad is not None
            unmoved[name] |= (tensor.grad == 0).numpy()
        rule.step()
    assert next(decided, None) is None
    tensors: dict[str, Tensor] = dict(trained)
    for name, norm in norms.items():
        if not norm.training and plan.batch_norm != "adapt":
            continue
        mean, variance = _statistics(norm)
        tensors |= {f"{name}.running_mean": mean, f"{name}.running_var": variance}
    return Trained(losses, {name: tensor.detach().numpy() for name, tensor in tensors.items()}, unmoved), adopted


def _mean_loss(logits: Tensor, batch: Batch) -> Tensor:
    wanted = batch.targets
    if wanted is None:
        return functional.cross_entropy(logits, torch.from_numpy(batch.labels))
    return SoftTargets(wanted.targets, wanted.information, wanted.log_marginal).loss(logits)


def relative_errors(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> Arrays:
    """Per tensor, each element's difference over the tensor's largest expected value; the names must be the same."""
    assert found.keys() == expected.keys()
    return {name: np.abs(found[name] - value) / np.abs(value).max() for name, value in expected.items()}


OPTIMIZERS: dict[OptimizerKind, Callable[[list[Tensor], Hyper], torch.optim.Optimizer]] = {
    "sgd": lambda tensors, h: torch.optim.SGD(tensors, h.lr, h.momentum, weight_decay=h.weight_decay),
    "adam": lambda tensors, h: torch.optim.Adam(tensors, h.lr, (h.momentum, 0.999), weight_decay=h.weight_decay),
    "adamw": lambda tensors, h: torch.optim.AdamW(tensors, h.lr, (h.momentum, 0.999), weight_decay=h.weight_decay),
}


def _adapt(net: nn.Module, norms: Sequence[nn.BatchNorm1d | nn.BatchNorm2d], batches: Sequence[Batch]) -> None:
    """Average the statistics of the batches by image count, over one pass in batch mode."""
    momenta = [norm.momentum for norm in norms]
    totals: dict[Tensor, Tensor] = {}
    for norm in norms:
        norm.train()
        norm.momentum = 1.0  # The running average is then that of the last batch alone.
    with torch.no_grad():
        for batch in batches:
            net(torch.from_numpy(batch.images))
            for statistic in (value for norm in norms for value in _statistics(norm)):
                weighted = statistic.double() * len(batch.labels)
                totals[statistic] = totals[statistic] + weighted if statistic in totals else weighted
        count = sum(len(batch.labels) for batch in batches)
        for statistic, total in totals.items():
            statistic.copy_(total / count)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _statistics(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var


def _settings(bundle: Bundle, plan: Plan, hyper: Hyper) -> Settings:
    return Settings(
        bundle_id=bundle.manifest.bundle_id,
        plan=plan.id,
        batch_norm=plan.batch_norm,
        epochs=1,
        lr=hyper.lr,
        momentum=hyper.momentum,
        weight_decay=hyper.weight_decay,
        batch_size=plan.batch_size,
        patience=1,
        seed=0,
        threads=1,
        # Whole batches: decisions are compared batch by batch.
        execution=msgspec.structs.replace(default_execution(plan), micro_batch=plan.batch_size),
        val_fraction=0.5,
        data="",
        validation=None,
    )
