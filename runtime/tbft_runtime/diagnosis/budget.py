"""How many images a diagnosis looks at, and at how many at once, so that it stays within a memory budget."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import BYTES_PER_FLOAT, Plan
from tbft_runtime.board.machine import resident_memory
from tbft_runtime.diagnosis.placement import norm_plans
from tbft_runtime.diagnosis.race import BATCH
from tbft_runtime.diagnosis.samples import FEWEST
from tbft_runtime.diagnosis.statistics_shift import GROUPS
from tbft_runtime.run.division import gradient_division
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve
from tbft_runtime.run.settings import Settings
from tbft_runtime.training.memory import ARENA, SESSION_BYTES, forward_bytes, statistics_bytes


@dataclass(frozen=True)
class Scale:
    """`samples` to look at, at most, on `threads`.

    Where a pass over them may be divided, each thread takes `images` at once; None: as many as suits it.
    """

    samples: int
    threads: int
    images: int | None = None


def settings_for(bundle: Bundle, plan: Plan, settings: Settings, scale: Scale) -> Settings:
    """Those of a run of `plan` with its defaults, at that scale."""
    options = TrainOptions(data="", out="", seed=settings.seed, threads=scale.threads)
    own = resolve(options, plan, bundle)
    if scale.images is None:
        return own
    execution = own.execution
    return replace(
        own,
        execution=replace(
            execution,
            micro_batch=min(execution.micro_batch, scale.images),
            prefix_images=min(execution.prefix_images, scale.images),
        ),
    )


def within(bundle: Bundle, plans: Sequence[Plan], settings: Settings, samples: int, budget: int | None) -> Scale:
    """`samples`, or less: first fewer images at once, then fewer threads, and only then fewer samples.

    Raises TbftError with the figures if nothing is within `budget` bytes.
    """
    wanted = Scale(samples, settings.threads)
    if budget is None:
        return wanted
    held = resident_memory() + 3 * bundle.manifest.files[bundle.weights.name].bytes + 3 * SESSION_BYTES
    least = 0
    for scale in _smaller(wanted):
        least = held + _values(bundle, plans, settings, scale)
        if least <= budget:
            return scale
    raise TbftError(
        f"deciding what to train takes {least / 1e6:,.0f} MB at least, more than the budget of {budget / 1e6:,.0f} MB "
        f"(process, weights and sessions {held / 1e6:,.0f} MB, values {(least - held) / 1e6:,.0f} MB)",
        "raise `memory_budget`, or name the drift: `drift` input, feature or output",
    )


def _smaller(wanted: Scale) -> Iterator[Scale]:
    samples = wanted.samples
    while True:
        threads = wanted.threads
        while threads:
            images = -(-samples // GROUPS)
            while images:
                yield Scale(samples, threads, images)
                images //= 2
            threads //= 2
        if samples <= FEWEST:
            return
        samples = max(FEWEST, samples // 2)


def _values(bundle: Bundle, plans: Sequence[Plan], settings: Settings, scale: Scale) -> int:
    """Bytes of the samples, and of what the largest of the passes over them holds."""
    assert scale.images is not None
    manifest = bundle.manifest
    image = manifest.shape.values * BYTES_PER_FLOAT
    passes = [int(ARENA * scale.threads * forward_bytes(bundle, None, scale.images))]
    if manifest.batch_norms:
        group = -(-scale.samples // GROUPS)
        passes.append(min(scale.threads, GROUPS) * statistics_bytes(bundle, group))
    races = not any(norm_plans(manifest, plans))
    passes += [
        _of_plan(plan, settings_for(bundle, plan, settings, scale), scale, races=races)
        for plan in plans
        if races or plan.drift == "output"
    ]
    return 2 * scale.samples * image + max(passes)


def _of_plan(plan: Plan, settings: Settings, scale: Scale, *, races: bool) -> int:
    """What a plan's prefix, and its race if there is one, hold."""
    execution = settings.execution
    held = 2 * scale.samples * math.prod(plan.boundary.shape) * BYTES_PER_FLOAT
    graphs = 0
    if execution.prefix_form is not None:
        prefix = plan.prefix_memory[plan.prefix_forms.index(execution.prefix_form)]
        fixed = plan.prefix_is_fixed
        graphs = scale.threads * prefix.bytes(execution.prefix_images) if fixed else prefix.bytes(scale.samples)
    if races and plan.drift != "output":
        gradient = plan.gradient_memory[plan.gradient_forms.index(execution.gradient_form)]
        division = gradient_division(plan, settings)
        graphs += division.lanes * gradient.bytes(division.largest(2 * BATCH))
        graphs += plan.suffix_memory.bytes(scale.images or scale.samples)
    return held + int(ARENA * graphs)
