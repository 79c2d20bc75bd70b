"""How a batch goes through a graph: whole, or in parts of which several are under way at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

from tbft_artifacts.plan import Plan
from tbft_runtime.run.settings import Settings

# Waking a thread takes as long as so many floating-point operations; the step of a last layer has fewer.
FLOPS_PER_LANE = 10_000_000


@dataclass(frozen=True)
class Division:
    """The parts of a batch, of which `lanes` are computed at the same time, each on `threads` cores.

    Where a graph makes the same of an image in every batch, a part is a lane's share, `most` images at most. Where
    norms use the statistics of their part, its size decides what is computed: a part then has `least` images or more,
    however many lanes there are. Without either a batch stays whole.
    """

    lanes: int = 1
    threads: int = 1
    most: int | None = None
    least: int | None = None

    def parts(self, images: int) -> tuple[slice, ...]:
        """Those of a batch of `images`, in its order; all of about the same size where that matters."""
        return _parts(self, images)

    def largest(self, images: int) -> int:
        """Images of the largest part."""
        return max(self._sizes(images))

    def smallest(self, images: int) -> int:
        """Images of the smallest part."""
        return min(self._sizes(images))

    def _sizes(self, images: int) -> list[int]:
        return [len(range(images)[part]) for part in self.parts(images)]


@lru_cache
def _parts(division: Division, images: int) -> tuple[slice, ...]:
    """Once for all batches of a size: a step of a last layer takes little longer than to find out."""
    if division.least is not None:
        count = max(1, images // division.least)
        size, longer = divmod(images, count)
        sizes = [size + 1] * longer + [size] * (count - longer)
        return tuple(slice(*ends) for ends in pairwise(accumulate(sizes, initial=0)))
    size = min(division.most or images, -(-images // division.lanes))
    return tuple(slice(start, min(start + size, images)) for start in range(0, images, size))


def gradient_division(plan: Plan, settings: Settings) -> Division:
    """How a batch goes through the gradient graph: on as many threads as it is worth behind the boundary."""
    flops = (plan.cost.forward_flops + plan.cost.backward_flops) * settings.batch_size
    lanes = max(1, min(settings.threads, flops // FLOPS_PER_LANE))
    if not plan.batch_statistics:
        return Division(lanes, most=settings.execution.micro_batch)
    return _with_statistics(plan, settings, lanes)


def prefix_division(plan: Plan, settings: Settings) -> Division:
    """The same for the frozen part in front of it; norms with statistics of parts see the same parts in both."""
    if plan.prefix_is_fixed:
        return Division(settings.threads, most=settings.execution.prefix_images)
    return _with_statistics(plan, settings, settings.threads)


def _with_statistics(plan: Plan, settings: Settings, lanes: int) -> Division:
    least = plan.statistics_part
    if least is None:
        return Division(threads=settings.threads)
    parallel = min(lanes, max(1, settings.batch_size // least))
    # Cores that no part is left for help the others; more than a small step is worth only wait.
    return Division(parallel, threads=max(1, lanes // parallel), least=least)
