"""From what was asked to the settings of a run: of one that begins, and of one that goes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan
from tbft_artifacts.stored_paths import stored as stored_path
from tbft_runtime.graphs.sessions import default_threads
from tbft_runtime.run import checks
from tbft_runtime.run.execution import default_execution
from tbft_runtime.run.options import (
    AUGMENTATIONS,
    AUTO,
    DEFAULT_CACHE,
    DEFAULT_CACHE_PLACE,
    DEFAULT_COMPUTE,
    DEFAULT_EPOCHS,
    DEFAULT_LABELS,
    DEFAULT_PATIENCE,
    DEFAULT_STARTING_HEAD,
    DEFAULT_UNLABELLED_EPOCHS,
    DEFAULT_UPDATE_BYTES,
    DEFAULT_VALIDATION,
    Augmentation,
    TrainOptions,
)
from tbft_runtime.run.settings import Settings


def _always(value: object) -> Callable[[Plan], object]:
    return lambda _plan: value


def _if_sparse(value: object) -> Callable[[Plan], object]:
    """Where the device chooses what is trained."""
    return lambda plan: value if plan.sparse else None


def _as_it_is(value: object) -> object:
    return value


def _absolute(path: str | Path) -> str:
    return stored_path(Path(path).resolve())


def _augmentations(text: str) -> tuple[Augmentation, ...]:
    """The ways in a text such as "flip,shift", in one order. Raises TbftError for any other."""
    given = [part.strip() for part in text.split(",")]
    strange = [part for part in given if part not in AUGMENTATIONS]
    if strange:
        raise TbftError(
            f"`augment` '{text}': '{strange[0]}' is no way to change images",
            f"give {' or '.join(AUGMENTATIONS)}, or both: `augment` {','.join(AUGMENTATIONS)}",
        )
    return tuple(kind for kind in AUGMENTATIONS if kind in given)


def _never(_before: object, _given: object) -> bool:
    return False


def _freely(_before: object, _given: object) -> bool:
    """It changes no weights, or only how long a run goes on."""
    return True


def _unless_rounded(before: object, given: object) -> bool:
    """Only float16 rounds; float32 and no cache end in the same weights."""
    return "fp16" not in (before, given)


@dataclass(frozen=True)
class Rule:
    """Where one setting comes from: the option of the same name, and a default where that is None."""

    name: str
    default: Callable[[Plan], object]
    check: checks.Check = checks.anything
    """Raises TbftError for a value that makes no sense."""
    may_change: Callable[[object, object], bool] = _never
    """Whether a run that began with the first value may go on with the second."""
    read: Callable[[Any], object] = _as_it_is
    """What is kept of the option's value."""

    def given(self, options: TrainOptions) -> Any:
        """What was asked, or None."""
        value = getattr(options, self.name)
        return None if value is None else self.read(value)


# Of those that were asked for together and make no sense, the first is refused.
RULES = (
    Rule("update_budget", _if_sparse(DEFAULT_UPDATE_BYTES), checks.budget("update_budget", math.inf)),
    Rule("compute_budget", _if_sparse(DEFAULT_COMPUTE), checks.budget("compute_budget", 1)),
    Rule("batch_norm", lambda plan: plan.batch_norm, checks.batch_norm),
    Rule("epochs", _always(DEFAULT_EPOCHS), checks.counts, may_change=_freely),
    Rule("batch_size", lambda plan: plan.batch_size, checks.counts),
    Rule("threads", lambda _plan: default_threads(), checks.counts, may_change=_freely),
    Rule("patience", _always(DEFAULT_PATIENCE), checks.counts),
    Rule("lr", lambda plan: plan.optimizer.lr, checks.from_zero("lr")),
    Rule("momentum", lambda plan: plan.optimizer.momentum, checks.from_zero("momentum")),
    Rule("weight_decay", lambda plan: plan.optimizer.weight_decay, checks.from_zero("weight_decay")),
    Rule("seed", _always(0), checks.seed),
    Rule("val_fraction", _always(DEFAULT_VALIDATION), checks.val_fraction),
    Rule("exit_accuracy", _always(None), checks.exit_accuracy, may_change=_freely),
    Rule("remember", _always(None), checks.remember),
    Rule("distill", _always(None), checks.distill),
    Rule("label_smoothing", _always(None), checks.label_smoothing),
    Rule("labels", _always(DEFAULT_LABELS), checks.labels),
    Rule("check_labels", _always(None), checks.check_labels),
    Rule("data", _always(None), read=_absolute),
    Rule("validation", _always(None), read=_absolute),
    Rule("class_weights", _always("none"), checks.class_weights),
    Rule("starting_head", _always(DEFAULT_STARTING_HEAD), checks.starting_head),
    Rule("augment", _always(()), read=_augmentations),
    Rule("cache", _always(DEFAULT_CACHE), checks.cache, may_change=_unless_rounded),
    Rule("cache_in", _always(DEFAULT_CACHE_PLACE), may_change=_freely),
)


def resolve(options: TrainOptions, plan: Plan, bundle: Bundle) -> Settings:
    """The settings of a new run of `plan`, defaults filled in. Raises TbftError for values that make no sense."""
    values: dict[str, Any] = {}
    for rule in RULES:
        given = rule.given(options)
        values[rule.name] = rule.default(plan) if given is None else given
    if values["augment"] and options.cache is None:
        values["cache"] = "off"
    if values["labels"] == "none" and options.epochs is None:
        values["epochs"] = DEFAULT_UNLABELLED_EPOCHS
    settings = Settings(bundle_id=bundle.manifest.bundle_id, plan=plan.id, execution=default_execution(plan), **values)
    _check(settings, plan)
    checks.purpose(settings, plan)
    checks.augment(settings, bundle.manifest)
    return settings


def resumed(stored: Settings, options: TrainOptions, bundle: Bundle) -> Settings:
    """The stored settings of an interrupted run; `epochs` may be raised, and what changes no weights may change.

    Raises TbftError if the bundle or an option that was given differs from the stored one.
    """
    if stored.bundle_id != bundle.manifest.bundle_id:
        raise another_bundle(options.out, stored.bundle_id)
    if options.plan not in (None, stored.plan):
        raise differs("plan", options.plan, stored.plan, options)
    # A run goes on with what was decided when it began, and so may be asked to decide again.
    if options.drift not in (None, AUTO) and (plan := bundle.plan(drift=options.drift)).id != stored.plan:
        raise differs("drift", plan.id, stored.plan, options)
    changed: dict[str, Any] = {}
    for rule in RULES:
        given, before = rule.given(options), getattr(stored, rule.name)
        if given is None or given == before:
            continue
        if not rule.may_change(before, given):
            raise differs(rule.name, given, before, options)
        changed[rule.name] = given
    settings = msgspec.structs.replace(stored, **changed)
    _check(settings, bundle.plan(settings.plan))
    if (stored.epochs == 0) != (settings.epochs == 0):
        raise TbftError(
            f"`epochs` {settings.epochs} differs from the run in '{options.out}', which has {stored.epochs}: "
            "one trains, the other only re-estimates batch-norm statistics",
            "choose another `out`",
        )
    return settings


def another_bundle(run: str | Path, bundle_id: str) -> TbftError:
    """The run in `run` belongs to the bundle `bundle_id`."""
    return TbftError(
        f"the run in '{run}' was started from another bundle ({bundle_id[:12]})",
        "resume with that bundle, or choose another `out`",
    )


def differs(name: str, given: object, before: object, options: TrainOptions) -> TbftError:
    """That the run in `options.out` began with another value of the option `name`."""
    return TbftError(
        f"`{name}` {given} differs from the run in '{options.out}', which has {before}",
        "put the data back where it was, or choose another `out`"
        if name == "data"
        else f"leave `{name}` out to resume, or choose another `out`",
    )


def _check(settings: Settings, plan: Plan) -> None:
    for rule in RULES:
        rule.check(settings, plan)
