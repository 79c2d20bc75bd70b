"""What the user asks a run to do, and the resolved settings that the run folder keeps."""

from __future__ import annotations

import math
import platform
from pathlib import Path
from typing import TypeVar

import msgspec

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import BatchNormPolicy, ConvolutionForm, Plan
from tbft_runtime.graphs.sessions import default_threads
from tbft_runtime.run.options import (
    AUTO,
    DEFAULT_CACHE,
    DEFAULT_CACHE_PLACE,
    DEFAULT_COMPUTE,
    DEFAULT_EPOCHS,
    DEFAULT_PATIENCE,
    DEFAULT_UPDATE_BYTES,
    DEFAULT_VALIDATION,
    CacheFormat,
    CachePlace,
    TrainOptions,
)

_T = TypeVar("_T")


# Larger parts are hardly faster in a forward pass, and take more memory.
PREFIX_IMAGES = 16
X86 = ("x86_64", "AMD64")


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """How the graphs run: what changes time and memory, and results only by rounding.

    `micro_batch` images at most go through the gradient graph at once on each thread, and `prefix_images`
    through the prefix, where statistics are fixed. The forms say how graphs write their convolutions
    (`prefix_form` None: there is no prefix). With `spinning`, threads wait for work without sleeping.
    """

    micro_batch: int
    gradient_form: ConvolutionForm
    prefix_form: ConvolutionForm | None
    spinning: bool
    prefix_images: int = PREFIX_IMAGES


class Settings(msgspec.Struct, frozen=True):
    """A run's settings, all decided. They determine its result, with one thread bit for bit.

    `tuned`: the execution was measured on this device beforehand. The budgets are None where the plan leaves no choice
    of channels.
    """

    bundle_id: str
    plan: str
    batch_norm: BatchNormPolicy
    epochs: int
    lr: float
    momentum: float
    weight_decay: float
    batch_size: int
    patience: int
    seed: int
    threads: int
    execution: Execution
    val_fraction: float
    data: str
    validation: str | None
    cache: CacheFormat = DEFAULT_CACHE
    cache_in: CachePlace = DEFAULT_CACHE_PLACE
    tuned: bool = False
    update_budget: int | None = None
    compute_budget: float | None = None
    exit_accuracy: float | None = None


def resolve(options: TrainOptions, plan: Plan, bundle: Bundle) -> Settings:
    """The settings of a new run of `plan`, defaults filled in. Raises TbftError for values that make no sense."""
    _check_budgets(options, plan)
    settings = Settings(
        bundle_id=bundle.manifest.bundle_id,
        plan=plan.id,
        batch_norm=_policy(options.batch_norm, plan),
        epochs=_or(options.epochs, DEFAULT_EPOCHS),
        lr=_or(options.lr, plan.optimizer.lr),
        momentum=_or(options.momentum, plan.optimizer.momentum),
        weight_decay=_or(options.weight_decay, plan.optimizer.weight_decay),
        batch_size=_or(options.batch_size, plan.batch_size),
        patience=_or(options.patience, DEFAULT_PATIENCE),
        seed=_or(options.seed, 0),
        threads=_or(options.threads, default_threads()),
        execution=default_execution(plan),
        val_fraction=_or(options.val_fraction, DEFAULT_VALIDATION),
        data=str(options.data.resolve()),
        validation=None if options.validation is None else str(options.validation.resolve()),
        cache=_or(options.cache, DEFAULT_CACHE),
        cache_in=_or(options.cache_in, DEFAULT_CACHE_PLACE),
        update_budget=_or(options.update_budget, DEFAULT_UPDATE_BYTES) if plan.sparse else None,
        compute_budget=_or(options.compute_budget, DEFAULT_COMPUTE) if plan.sparse else None,
        exit_accuracy=options.exit_accuracy,
    )
    _check(settings)
    _check_exits(settings, plan)
    if settings.epochs == 0 and settings.batch_norm != "adapt":
        raise TbftError("with --epochs 0 nothing is trained", "add --bn adapt to re-estimate batch-norm statistics")
    if settings.epochs and settings.batch_norm == "adapt" and plan.batch_norm == "batch":
        raise TbftError(
            f"plan '{plan.id}' was compiled for --bn batch, and cannot train with --bn adapt",
            "export a bundle with --bn adapt, or only re-estimate the statistics with --epochs 0",
        )
    return settings


def default_execution(plan: Plan) -> Execution:
    """What the host thought best for a Raspberry Pi, but for x86, where ONNX Runtime packs frozen filters for Conv."""
    prefix_form = None
    if plan.prefix_forms:
        prefix_form = plan.prefix_forms[-1 if platform.machine() in X86 else 0]
    return Execution(
        micro_batch=plan.micro_batch,
        gradient_form=plan.gradient_forms[0],
        prefix_form=prefix_form,
        spinning=False,
    )


def resumed(stored: Settings, options: TrainOptions, bundle: Bundle) -> Settings:
    """The stored settings of an interrupted run; `epochs` may be raised, and what changes no weights may change.

    Raises TbftError if the bundle or an option that was given differs from the stored one.
    """
    if stored.bundle_id != bundle.manifest.bundle_id:
        raise another_bundle(options.out, stored.bundle_id)
    asked = {
        "--plan": (options.plan, stored.plan),
        # A run goes on with what was decided when it began.
        "--drift": (None if options.drift in (None, AUTO) else bundle.plan(drift=options.drift).id, stored.plan),
        "--bn": (options.batch_norm, stored.batch_norm),
        "--lr": (options.lr, stored.lr),
        "--momentum": (options.momentum, stored.momentum),
        "--weight-decay": (options.weight_decay, stored.weight_decay),
        "--batch-size": (options.batch_size, stored.batch_size),
        "--patience": (options.patience, stored.patience),
        "--seed": (options.seed, stored.seed),
        "--val-fraction": (options.val_fraction, stored.val_fraction),
        "--update-budget": (options.update_budget, stored.update_budget),
        "--compute-budget": (options.compute_budget, stored.compute_budget),
        "--data": (str(options.data.resolve()), stored.data),
        "--val": (options.validation and str(options.validation.resolve()), stored.validation),
    }
    if options.cache and "fp16" in (options.cache, stored.cache):
        # Only float16 rounds; float32 and no cache end in the same weights.
        asked["--cache"] = (options.cache, stored.cache)
    for name, (given, before) in asked.items():
        if given is not None and given != before:
            raise TbftError(
                f"{name} {given} differs from the run in '{options.out}', which has {before}",
                f"leave {name} out to resume, or choose another --out",
            )
    settings = msgspec.structs.replace(
        stored,
        epochs=_or(options.epochs, stored.epochs),
        threads=_or(options.threads, stored.threads),
        cache=_or(options.cache, stored.cache),
        cache_in=_or(options.cache_in, stored.cache_in),
        exit_accuracy=_or(options.exit_accuracy, stored.exit_accuracy),
    )
    _check(settings)
    _check_exits(settings, bundle.plan(settings.plan))
    if (stored.epochs == 0) != (settings.epochs == 0):
        raise TbftError(
            f"--epochs {settings.epochs} differs from the run in '{options.out}', which has {stored.epochs}: "
            "one trains, the other only re-estimates batch-norm statistics",
            "choose another --out",
        )
    return settings


def another_bundle(run: Path, bundle_id: str) -> TbftError:
    """The run in `run` belongs to the bundle `bundle_id`."""
    return TbftError(
        f"the run in '{run}' was started from another bundle ({bundle_id[:12]})",
        "resume with that bundle, or choose another --out",
    )


def _policy(asked: BatchNormPolicy | None, plan: Plan) -> BatchNormPolicy:
    """Which of what a plan's graphs allow: those with fixed statistics are the same for frozen and adapt.

    Any statistics can be re-estimated; what is fixed stays so from there on, and what moves goes on from there.
    """
    if asked == "adapt" and plan.int8 is not None:
        raise TbftError(
            f"plan '{plan.id}' has an int8 prefix, whose batch-norm statistics cannot be re-estimated",
            "train without --bn adapt, or export without --prefix int8",
        )
    if asked is None or asked == plan.batch_norm:
        return plan.batch_norm
    if asked != "adapt" and (asked in ("block", "batch") or plan.batch_norm == "batch" or plan.batch_statistics):
        raise TbftError(
            f"plan '{plan.id}' was compiled for --bn {plan.batch_norm}, and cannot train with --bn {asked}",
            f"export a bundle with --bn {asked}",
        )
    return asked


def _check_budgets(options: TrainOptions, plan: Plan) -> None:
    """Raises TbftError for budgets that make no sense, and for any where the plan leaves nothing to choose."""
    for name in ("update_budget", "compute_budget"):
        value, option = getattr(options, name), f"--{name.replace('_', '-')}"
        if value is None:
            continue
        if plan.sparse is None:
            raise TbftError(
                f"plan '{plan.id}' says itself what is trained, and takes no {option}",
                f"leave out {option}, or export a bundle whose channels the device chooses",
            )
        if not value > 0 or (name == "compute_budget" and value > 1):
            raise TbftError(f"{option} {value} is out of range", "for example --update-budget 1MB --compute-budget 15%")


def _check(settings: Settings) -> None:
    if settings.batch_size < 1 or settings.threads < 1 or settings.epochs < 0 or settings.patience < 1:
        raise TbftError(
            f"batch size {settings.batch_size}, threads {settings.threads}, patience {settings.patience} and "
            f"epochs {settings.epochs} must be positive (epochs may be 0)",
            "correct the option",
        )
    for name in ("lr", "momentum", "weight_decay"):
        value = getattr(settings, name)
        if not (math.isfinite(value) and value >= 0):
            raise TbftError(f"--{name.replace('_', '-')} {value} is not a number from 0 up", "correct the option")
    if not 0 <= settings.seed < 2**63:
        raise TbftError(f"--seed {settings.seed} is not a whole number from 0 up", "correct the option")
    if not 0 < settings.val_fraction < 1:
        raise TbftError(f"--val-fraction {settings.val_fraction} is not between 0 and 1", "0.15 is a good start")


def _check_exits(settings: Settings, plan: Plan) -> None:
    wanted = settings.exit_accuracy
    if wanted is None:
        return
    if not plan.exits:
        raise TbftError(
            f"plan '{plan.id}' has no exits, and so no use for --exit-accuracy", "leave out --exit-accuracy"
        )
    if not 0 < wanted <= 1:
        raise TbftError(f"--exit-accuracy {wanted} is not above 0 and at most 1", "0.85 means 85 %")


def _or(value: _T | None, default: _T) -> _T:
    return default if value is None else value
