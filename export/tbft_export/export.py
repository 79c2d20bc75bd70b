"""`export_bundle`: a trained model and a method -> a checked bundle."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec

from tbft_artifacts.archive import is_archive
from tbft_artifacts.atomic import atomic_file, atomic_folder
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import FORMAT, DriftChoice, Manifest, PrefixKind
from tbft_artifacts.plan import BatchNormPolicy, OptimizerKind
from tbft_artifacts.preprocessing import CenterCrop, ExifTranspose, Normalize, PreprocessingStep, Resize, ToRgb
from tbft_export.blocks import describe_blocks
from tbft_export.check.exits import check_exits
from tbft_export.check.step import SelfCheck, check_bundle
from tbft_export.compile.exits import compile_exits, exit_blocks
from tbft_export.compile.plan import PlanRequest, compile_plan, is_official, write_official_artifacts
from tbft_export.compile.statistics import batch_norms, statistics_model
from tbft_export.compile.update import optimizer
from tbft_export.exits.network import ExitNetwork, train_exits
from tbft_export.images import ImageReader
from tbft_export.methods.method import MethodOptions, Network
from tbft_export.methods.registry import plan_training
from tbft_export.pipeline import PassRunner, pass_names
from tbft_export.quantization.replace_prefix import replace_prefix
from tbft_export.sources.built_in import BUILT_IN
from tbft_export.sources.load import Source, load_source
from tbft_export.write_bundle import (
    pack,
    write_manifest,
    write_models,
    write_plan,
    write_weights,
)

MINIMUM_RUNTIME = "0.1.0"
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ExportOptions:
    """What to export. None takes the default that the model or the method gives.

    `method` is one of `tbft_export.methods`; "tbft" asks what drifted. With `drift` "all" the bundle has a plan for
    every target block of the network, and for everything. `top_blocks` is how many residual blocks a method that
    counts them trains. `exits` is how many classifiers may answer, trained on images of the source domain that `source`
    reads. `classes` are class names, `class_count` is just their number. With `new_head` the last linear
    layer is a fresh one for so many classes. `mean` and `std` are per channel for pixels in [0, 1]: those with
    which a built-in network was trained, and ImageNet's otherwise. A `prefix` of kind "int8" is quantised with
    images that `calibration` reads; the accuracy that it costs is measured, and more than one point refused
    unless `allow_accuracy_loss`.
    """

    model: str
    drift: DriftChoice | None = None
    method: str = "tbft"
    weights: Path | None = None
    top_blocks: int | None = None
    exits: int | None = None
    source: ImageReader | None = None
    blocks: tuple[str, ...] = ()
    batch_norm: BatchNormPolicy | None = None
    optimizer: OptimizerKind = "sgd"
    lr: float | None = None
    momentum: float = 0.9
    weight_decay: float | None = None
    batch_size: int = 32
    image_size: int | None = None
    class_count: int | None = None
    classes: tuple[str, ...] = ()
    new_head: bool = False
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    prefix: PrefixKind = "float32"
    calibration: ImageReader | None = None
    allow_accuracy_loss: bool = False
    dump_after: str | None = None


@dataclass(frozen=True)
class Exported:
    """The manifest that was written, and how each of its plans compared with PyTorch, in their order."""

    manifest: Manifest
    checks: tuple[SelfCheck, ...]

    @property
    def has_official(self) -> bool:
        """Whether ONNX Runtime Training's own artifacts were written, too."""
        return any(
            name.startswith(f"{plan.ort_training}/") for plan in self.manifest.plans for name in self.manifest.files
        )


def export_bundle(options: ExportOptions, out: str | os.PathLike[str]) -> Exported:
    """Compile a model as a method says, and check what came out.

    One train step of each plan is compared with PyTorch before the bundle appears.

    Args:
        options: The model and its weights, what drifted or another method, and how it is trained.
        out: The folder to write, or the `.tar.gz`.

    Returns:
        The manifest that was written, and by how much each plan's step differs from PyTorch's.

    Raises:
        TbftError: The model cannot be read or trained, options contradict each other, or the step differs. Nothing is
            written then.

    Example:
        >>> from pathlib import Path
        >>> from tbft_export import ExportOptions, export_bundle
        >>> options = ExportOptions(model="resnet26", weights=Path("resnet26.pth"), drift="feature")
        >>> exported = export_bundle(options, "bundle")
        >>> [plan.blocks for plan in exported.manifest.plans]
        [('layer3',)]
    """
    out = Path(out)
    if options.dump_after is not None and options.dump_after not in pass_names():
        raise TbftError(f"there is no compiler pass '{options.dump_after}'", f"passes: {', '.join(pass_names())}")
    _check_options(options)
    runner = PassRunner(options.dump_after)
    count = len(options.classes) if options.new_head and options.classes else options.class_count
    source = load_source(options.model, options.weights, count, options.image_size, runner, new_head=options.new_head)
    if is_archive(out):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "bundle"
            exported = _write(options, source, runner, folder)
            with atomic_file(out) as archive:
                pack(folder, archive)
        return exported
    return _write(options, source, runner, out)


def _write(options: ExportOptions, source: Source, runner: PassRunner, out: Path) -> Exported:
    requests = _requests(options, source)
    with atomic_folder(out) as folder:
        manifest = _manifest(options, source)
        # Ahead of the long work: a wrong path or class name is a quick answer.
        images = None if options.calibration is None else options.calibration(manifest)
        exits = _exits(options, requests, source, manifest)
        write_weights(folder, source.forward, *([] if exits is None else [exits.forward]))
        write_models(source.forward, statistics_model(source.forward, runner), folder)
        plans, checks = [], []
        for request in requests:
            with _naming(request, requests):
                if exits is not None and request.training.exits is not None:
                    compiled = compile_exits(exits, request, runner)
                    write_plan(compiled, folder)
                    way = request.training.exits.personalisation
                    checks.append(check_exits(folder, manifest, compiled.plan, exits, way, source.reference))
                    plans.append(compiled.plan)
                    continue
                compiled = compile_plan(source.forward, request, runner)
                write_plan(compiled, folder)
                if len(requests) == 1 and is_official(request.training):
                    # They hold the weights once more, so a bundle of many plans is for this project's runtime alone.
                    official = folder / compiled.plan.ort_training
                    official.mkdir()
                    write_official_artifacts(source.forward, compiled.plan, official, runner)
                # Still with the prefix in float32, so that the gradients of the suffix have to be PyTorch's.
                masked = request.training.masked
                checks.append(
                    check_bundle(folder, manifest, compiled.plan, source.reference, source.classes, masked=masked)
                )
                plan = compiled.plan
                if request.training.prefix == "int8" and images is not None:
                    plan = replace_prefix(compiled, images, options.allow_accuracy_loss, folder)
                plans.append(plan)
        trained = [block for plan in plans for block in plan.blocks]
        blocks = describe_blocks(source.forward.graph, source.forward.weights, trained)
        blocks += () if exits is None else exit_blocks(exits)
        manifest = write_manifest(msgspec.structs.replace(manifest, blocks=blocks, plans=tuple(plans)), folder)
    return Exported(manifest, tuple(checks))


def _requests(options: ExportOptions, source: Source) -> tuple[PlanRequest, ...]:
    """The plans of the method, each with its optimizer."""
    asked = MethodOptions(
        optimizer=options.optimizer,
        batch_norm=options.batch_norm,
        drift=options.drift,
        blocks=options.blocks,
        prefix=options.prefix,
        top_blocks=options.top_blocks,
        exits=options.exits,
    )
    plans = plan_training(options.method, Network(source.forward, source.fresh), asked)
    # The first of the sparse ones is the deepest: it scores the layers of all.
    scoring = next((plan for plan in plans if plan.sparse), None)
    return tuple(
        PlanRequest(
            training=plan,
            optimizer=optimizer(
                options.optimizer,
                plan.lr if options.lr is None else options.lr,
                options.momentum,
                options.weight_decay,
            ),
            batch_size=options.batch_size,
            scores=plan is scoring,
        )
        for plan in plans
    )


def _exits(
    options: ExportOptions, requests: tuple[PlanRequest, ...], source: Source, manifest: Manifest
) -> ExitNetwork | None:
    """The network with the exits that the plans ask for, trained; None where they ask for none."""
    asked = next((request.training.exits for request in requests if request.training.exits is not None), None)
    if asked is None:
        if options.source is not None:
            raise TbftError(f"--method {options.method} trains nothing on source images", "leave --source out")
        return None
    if options.source is None:
        raise TbftError(
            "exits are trained on images of the source domain",
            "give some thousand labelled ones that the network was trained on with --source",
        )
    return train_exits(source.forward, asked.depths, options.source(manifest))


@contextlib.contextmanager
def _naming(request: PlanRequest, requests: tuple[PlanRequest, ...]) -> Iterator[None]:
    """Where several plans are compiled, an error says in which it came up."""
    try:
        yield
    except TbftError as error:
        if len(requests) == 1:
            raise
        raise TbftError(f"plan {request.id}: {error.message}", error.hint) from error


def _check_options(options: ExportOptions) -> None:
    if options.prefix == "int8" and options.calibration is None:
        raise TbftError(
            "an int8 prefix needs images to calibrate with", "give a few hundred labelled ones with --calibration"
        )
    if options.prefix != "int8" and (options.calibration is not None or options.allow_accuracy_loss):
        raise TbftError(
            "calibration and accuracy loss concern an int8 prefix, which was not asked for", "add --prefix int8"
        )


def _manifest(options: ExportOptions, source: Source) -> Manifest:
    """The manifest without blocks, plans and files."""
    return Manifest(
        format=FORMAT,
        minimum_runtime=MINIMUM_RUNTIME,
        model=source.name,
        classes=_class_names(options, source),
        image_size=source.image_size,
        preprocessing=_preprocessing(options, source),
        batch_norms=batch_norms(source.forward.graph),
        blocks=(),
        plans=(),
        producers={
            name: version(name) for name in ("tbft-edge", "torch", "onnx", "onnx-ir", "onnxruntime-training-cpu")
        },
        files={},
    )


def _class_names(options: ExportOptions, source: Source) -> tuple[str, ...]:
    if not options.classes and source.card is not None and len(source.card.classes) == source.classes:
        return source.card.classes
    if not options.classes:
        return tuple(str(index) for index in range(source.classes))
    if len(options.classes) != source.classes or len(set(options.classes)) != len(options.classes):
        raise TbftError(
            f"{len(options.classes)} class names were given ({len(set(options.classes))} different), "
            f"but the model has {source.classes} classes",
            "give one different name per class, in the order of the model's outputs, with --classes; for other "
            "classes than the model was trained for add --new-head",
        )
    for name in options.classes:
        # On a device each class is a folder, and one of these means no label.
        if not name or name == "unlabelled" or name.startswith(".") or "/" in name or "\0" in name:
            raise TbftError(f"'{name}' cannot be a class: it is no name for a folder of pictures", "rename the class")
    return options.classes


def _preprocessing(options: ExportOptions, source: Source) -> tuple[PreprocessingStep, ...]:
    built_in = BUILT_IN.get(source.name)
    mean = _IMAGENET_MEAN if built_in is None else (built_in.mean,) * 3
    std = _IMAGENET_STD if built_in is None else (built_in.std,) * 3
    if source.card is not None:
        # As it was fed when it was trained; a mean or std that is given wins.
        return tuple(_normalize(step, options) for step in source.card.preprocessing)
    return (
        ExifTranspose(),
        ToRgb(),
        Resize(size=source.image_size),
        CenterCrop(size=source.image_size),
        Normalize(mean=options.mean or mean, std=options.std or std),
    )


def _normalize(step: PreprocessingStep, options: ExportOptions) -> PreprocessingStep:
    if not isinstance(step, Normalize):
        return step
    return Normalize(mean=options.mean or step.mean, std=options.std or step.std)
