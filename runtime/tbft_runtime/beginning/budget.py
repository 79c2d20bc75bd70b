"""Stay within the memory budget that was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import Plan
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve
from tbft_runtime.run.settings import Settings
from tbft_runtime.selection.choose import Budgets
from tbft_runtime.training.memory import fit_memory, update_room


def within_budget(
    bundle: Bundle,
    plan: Plan,
    settings: Settings,
    images: int,
    options: TrainOptions,
    process: int | None,
    *,
    resuming: bool = False,
) -> Settings:
    """The settings within the memory budget of `options`, if there is one; `images` train or validate.

    `process` is that of `plan_memory`. Raises TbftError if nothing fits.
    """
    if options.memory_budget is None:
        return settings
    return fit_memory(
        bundle,
        plan,
        settings,
        images,
        options.memory_budget,
        # What an earlier part of the run did has to be done alike.
        fixed=resuming,
        fixed_threads=options.threads is not None,
        fixed_place=options.cache_in is not None,
        process=process,
    )


def selection_budgets(
    bundle: Bundle, plans: Sequence[Plan], settings: Settings, images: int, options: TrainOptions, process: int
) -> Budgets:
    """Those of the settings; of a memory budget the update gets what the plan that leaves it least has room for.

    A shallower plan may need more than a deeper one: its prefix is a session of its own. Raises TbftError if one does
    not fit even with nothing but what is always trained.
    """
    assert settings.update_budget is not None
    assert settings.compute_budget is not None
    update = settings.update_budget
    if options.memory_budget is not None:
        for plan in plans:
            own = resolve(options, plan, bundle)
            within_budget(bundle, plan, own, images, options, process)
            fixed_threads = options.threads is not None
            room = update_room(
                bundle, plan, own, images, options.memory_budget, fixed_threads=fixed_threads, process=process
            )
            update = min(update, room)
    return Budgets(update, settings.compute_budget)
