"""What a run will take of memory, and how to stay within a budget."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.kept import keeps_inputs, kept_bytes
from tbft_artifacts.plan import BYTES_PER_FLOAT, ConvolutionForm, GraphMemory, Plan
from tbft_runtime.board.machine import resident_memory
from tbft_runtime.run.division import gradient_division, prefix_division
from tbft_runtime.run.execution import Execution
from tbft_runtime.run.settings import Settings

# Measured: an arena takes memory in powers of two (1.2 to 1.4 times the values of ResNet-26, up to 1.9 times those of
# EfficientNet-Lite0), and a session keeps its graph, its kernels and their packed weights beside them.
ARENA = 1.8
SESSION_BYTES = 7 << 20
# Fewer say little about a batch norm.
FEWEST_FOR_STATISTICS = 8
# Measured: a forward pass with batch statistics holds, with its arena, 0.54 to 0.64 times the planned values of a
# backward pass through the whole network, or 2.9 to 6 times those of a forward pass.
OF_BACKWARD, OF_FORWARD = 0.75, 7


class MemoryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that a run is expected to hold resident at its peak, by purpose.

    `process`: what is there before training, interpreter and libraries included; `weights`: the model;
    `state`: trained parameters, their gradients, the optimizer's state and the best state; `graphs`:
    activations in prefix, gradient graph and validation; `sessions`: loaded graphs; `batch`: the images
    or activations of one batch; `cache`: boundary activations kept in memory. `preparing` is the peak before all that,
    while the largest image is read; 0 if images were prepared already. `kept`: images of the source domain that the
    bundle keeps, and the old model's answers, where those are learned.
    """

    process: int
    weights: int
    state: int
    graphs: int
    sessions: int
    batch: int
    cache: int
    preparing: int = 0
    kept: int = 0

    def after_reading(self, image: int, budget: int | None) -> MemoryPlan:
        """The same, where images were read before within `budget`, of which the largest took so many bytes."""
        if not image:
            return self
        # What the process holds now is a little more than it was then.
        held = self.process + image
        return msgspec.structs.replace(self, preparing=held if budget is None else min(held, budget))

    @property
    def total(self) -> int:
        """All that is there at the same time, at most."""
        training: int = sum(msgspec.structs.astuple(self)) - self.preparing
        return max(self.preparing, training)


def plan_memory(bundle: Bundle, plan: Plan, settings: Settings, images: int, process: int | None = None) -> MemoryPlan:
    """The peak of training with `settings`, of which `images` train or validate.

    `process` is what the process holds before, in bytes; None: what it holds now.
    """
    execution = settings.execution
    gradient = gradient_memory(plan, settings)
    division = gradient_division(plan, settings)
    graphs = division.lanes * gradient.bytes(division.largest(settings.batch_size))
    if execution.prefix_form is not None:
        prefix = plan.prefix_memory[plan.prefix_forms.index(execution.prefix_form)]
        if plan.prefix_is_fixed:
            graphs += settings.threads * prefix.bytes(execution.prefix_images)
        else:
            division = prefix_division(plan, settings)
            graphs += division.lanes * prefix.bytes(division.largest(settings.batch_size))
    whole = forward_bytes(bundle, plan, execution.evaluation_images)
    graphs = int(ARENA * (graphs + settings.threads * whole))
    if settings.reestimates:
        # Before the others are loaded.
        graphs = max(graphs, statistics_bytes(bundle, _adapted_at_once(settings)))

    weights = bundle.manifest.files[bundle.weights.name].bytes
    row = BYTES_PER_FLOAT * math.prod(plan.boundary.shape)
    image = BYTES_PER_FLOAT * bundle.manifest.shape.values
    in_memory = settings.cache_in == "ram" and plan.has_prefix and plan.prefix_is_fixed and settings.cache != "off"
    return MemoryPlan(
        process=resident_memory() if process is None else process,
        weights=3 * weights,  # As read, as sessions fold and pack them, and once more while they are loaded.
        state=_copies(plan, settings) * plan.cost.parameter_bytes,
        graphs=graphs,
        sessions=SESSION_BYTES * (3 + plan.has_prefix),
        batch=2 * max(settings.batch_size, settings.threads * execution.evaluation_images) * (row + image),
        cache=images * (row if settings.cache == "fp32" else row // 2) if in_memory else 0,
        # As they lie in the file, which is read at once; where inputs are kept, what the prefix makes of them, too.
        kept=2 * kept_bytes(plan, bundle.manifest, plan.kept)
        + plan.kept * (row if keeps_inputs(plan) else 0)
        + (BYTES_PER_FLOAT * len(bundle.manifest.classes) * (images + plan.kept) if settings.distill else 0),
    )


def gradient_memory(plan: Plan, settings: Settings) -> GraphMemory:
    """Of the graph that steps use: that of the chosen form, or the one that takes targets."""
    if settings.takes_targets and plan.targets_memory is not None:
        return plan.targets_memory
    return plan.gradient_memory[plan.gradient_forms.index(settings.execution.gradient_form)]


def forward_bytes(bundle: Bundle, plan: Plan | None, images: int) -> int:
    """What evaluating so many images at once holds: behind a plan's fixed prefix, or the whole network."""
    if plan is not None and (plan.prefix_is_fixed or not plan.has_prefix):
        return plan.suffix_memory.bytes(images)
    parts = [memory for each in bundle.manifest.plans for memory in (*each.prefix_memory[-1:], each.suffix_memory)]
    return max(memory.bytes(images) for memory in parts)


def statistics_bytes(bundle: Bundle, images: int) -> int:
    """What a pass over so many images holds that gives the statistics of every batch norm."""
    wholes = [memory for plan in bundle.manifest.plans if not plan.has_prefix for memory in plan.gradient_memory]
    if wholes:
        return int(OF_BACKWARD * min(memory.bytes(images) for memory in wholes))
    return OF_FORWARD * forward_bytes(bundle, None, images)


def _adapted_at_once(settings: Settings) -> int:
    return min(settings.batch_size, settings.execution.statistics_images or settings.batch_size)


def _copies(plan: Plan, settings: Settings) -> int:
    """How often trained parameters are there: now and best, slots, and gradients of a batch and of each lane's part."""
    return 2 + len(plan.optimizer.slots) + 1 + gradient_division(plan, settings).lanes


def update_room(
    bundle: Bundle,
    plan: Plan,
    settings: Settings,
    images: int,
    budget: int,
    *,
    fixed_threads: bool,
    process: int | None = None,
) -> int:
    """Bytes for trained values, a gradient of each and the optimizer's state that `budget` bytes leave at most.

    Beside everything else, in the smallest of the ways that `fit_memory` knows; `process` as for `plan_memory`.
    A step takes the more lanes the more channels it trains, so room is left for those of every channel.
    """
    most = 0
    plan = plan.with_channels({layer.weight: range(layer.shape[0]) for layer in plan.sparse_layers})
    for candidate in _smaller(plan, settings, fixed_threads):
        planned = plan_memory(bundle, plan, candidate, images, process)
        most = max(most, (budget - planned.total + planned.state) // _copies(plan, candidate))
    return most * (2 + len(plan.optimizer.slots))


def fit_memory(
    bundle: Bundle,
    plan: Plan,
    settings: Settings,
    images: int,
    budget: int,
    *,
    fixed: bool,
    fixed_threads: bool,
    fixed_place: bool,
    process: int | None = None,
) -> Settings:
    """`settings` changed as little as it takes to stay within `budget` bytes.

    First fewer images at once, then convolutions in a form that holds less, then fewer threads (unless
    `fixed_threads`). Boundary activations are
    kept in memory if they fit beside the rest (unless `fixed_place`). With `fixed` nothing changes. `process` is that
    of `plan_memory`.
    Raises TbftError with the figures if nothing fits.
    """
    least = None
    for candidate in [settings] if fixed else _smaller(plan, settings, fixed_threads):
        needed = plan_memory(bundle, plan, candidate, images, process)
        if needed.total <= budget:
            in_memory = msgspec.structs.replace(candidate, cache_in="ram")
            if not (fixed or fixed_place) and plan_memory(bundle, plan, in_memory, images, process).total <= budget:
                return in_memory
            return candidate
        least = needed if least is None or needed.total < least.total else least
    assert least is not None
    figures = ", ".join(
        f"{name} {value / 1e6:,.0f} MB" for name, value in msgspec.structs.asdict(least).items() if value >= 1e6
    )
    hint = (
        "raise `memory_budget`, lower `batch_size`, or train a smaller block"
        if plan.divides
        else "norms use the statistics of whole batches: a bundle exported with a `batch_norm_part` takes them in parts"
    )
    raise TbftError(
        f"training takes {least.total / 1e6:,.0f} MB at least, more than the budget of {budget / 1e6:,.0f} MB "
        f"({figures})",
        hint,
    )


def _smaller(plan: Plan, settings: Settings, fixed_threads: bool) -> Iterator[Settings]:
    """The settings, and others that need less and less memory."""
    threads = settings.threads
    while threads:
        for form in _forms(plan, settings.execution):
            for halved in range(math.ceil(math.log2(_most_at_once(settings.execution))) + 1):
                execution = msgspec.structs.replace(_divided(settings, plan, 1 << halved), gradient_form=form)
                tuned = settings.tuned and (threads, execution) == (settings.threads, settings.execution)
                yield msgspec.structs.replace(settings, threads=threads, execution=execution, tuned=tuned)
        threads = 0 if fixed_threads else threads // 2


def _forms(plan: Plan, execution: Execution) -> list[ConvolutionForm]:
    """That of the gradient graph, and those in which it holds less per image."""
    bytes_of = {
        form: memory.image_bytes for form, memory in zip(plan.gradient_forms, plan.gradient_memory, strict=True)
    }
    now = execution.gradient_form
    return [now, *(form for form in plan.gradient_forms if bytes_of[form] < bytes_of[now])]


def _most_at_once(execution: Execution) -> int:
    return max(execution.micro_batch, execution.prefix_images, execution.evaluation_images)


def _divided(settings: Settings, plan: Plan, by: int) -> Execution:
    """Fewer images at once everywhere, but where batch statistics need a batch, or a part of it, whole."""
    execution = settings.execution
    if by == 1:
        return execution
    statistics = None
    if settings.reestimates:
        most = _adapted_at_once(settings)
        statistics = max(min(most, FEWEST_FOR_STATISTICS), most // by)
    return msgspec.structs.replace(
        execution,
        micro_batch=max(1, execution.micro_batch // by) if plan.prefix_is_fixed else execution.micro_batch,
        prefix_images=max(1, execution.prefix_images // by) if plan.prefix_is_fixed else execution.prefix_images,
        evaluation_images=max(1, execution.evaluation_images // by),
        statistics_images=statistics,
    )
