"""`tbft-edge train`: fine-tune a bundle, on the device."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tbft_artifacts.amounts import memory_size
from tbft_artifacts.plan import BatchNormPolicy, Drift
from tbft_artifacts.structs import LARGEST_BATCH, MOST_EPOCHS
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import (
    BaseOption,
    ExpectIdOption,
    JsonOption,
    MeterOption,
    ThreadsOption,
    part_of_whole,
)
from tbft_edge.console import print_json, quoted, say

if TYPE_CHECKING:
    from tbft_runtime import Progress, Report

# auto: the device finds out.
DriftOption = Literal[Drift, "auto"]
CacheChoice = Literal["auto", "fp32", "fp16", "off"]
ClassWeightsOption = Literal["none", "balanced"]
PlaceChoice = Literal["auto", "disk", "ram"]
LabelChoice = Literal["all", "none"]
StartingHeadChoice = Literal["auto", "kept"]


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle folder or .tar.gz, made by 'tbft-edge export'.")],
    data: Annotated[
        Path,
        typer.Option(
            help="Training images: an .npz with images (N, H, W, 3) uint8 and labels (-1: none), or a folder with a "
            "folder of JPEG or PNG files per class, and perhaps one named 'unlabelled'. Of signals: an .npz with "
            "windows (N, C, L), or as the export said, .csv tables or a folder with a folder of .wav files per class."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run: its state after each epoch, and its result.")],
    validation: Annotated[
        Path | None, typer.Option("--val", help="Validation images; otherwise a part of --data is held out.")
    ] = None,
    val_fraction: Annotated[float | None, typer.Option(help="Part of --data to validate on. Default: 0.15.")] = None,
    plan: Annotated[str | None, typer.Option(help="Which plan, if the bundle has several.")] = None,
    drift: Annotated[
        DriftOption | None,
        typer.Option(
            help="The same by what drifted: the plan that this drift calls for. auto: decide by 128 of the training "
            "images, as 'diagnose' does."
        ),
    ] = None,
    batch_norm: Annotated[
        BatchNormPolicy | None,
        typer.Option("--bn", help="Batch norms; adapt re-estimates their statistics first, and needs no labels."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST_EPOCHS,
            help="How many at most. Default: 10, without labels 5. 0 with --bn adapt trains nothing.",
        ),
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate; the bundle's by default.")] = None,
    momentum: Annotated[float | None, typer.Option(help="Momentum, or beta1; the bundle's by default.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Weight decay; the bundle's by default.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, max=LARGEST_BATCH, help="Images per step; the bundle's by default.")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_EPOCHS, help="Stop after so many epochs without a better one. Default: 5."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Decides split and order of the images. Default: 0.")] = None,
    threads: ThreadsOption = None,
    cache: Annotated[
        CacheChoice,
        typer.Option(
            help="Keep the activations before the first trained layer: exactly (fp32), in half the space (fp16), or "
            "compute them again each epoch (off). auto: fp32."
        ),
    ] = "auto",
    cache_in: Annotated[
        PlaceChoice,
        typer.Option(help="Where: in the run folder or in memory, at most a quarter of what is free. auto: disk."),
    ] = "auto",
    memory_budget: Annotated[
        str | None,
        typer.Option(
            help="Stay within this much memory, such as 256MB: chooses images per pass, threads and place of the cache."
        ),
    ] = None,
    update_budget: Annotated[
        str | None,
        typer.Option(
            help="Where the device chooses the channels to train: memory for trained values, their gradients and the "
            "optimizer's state. Default: 1MB."
        ),
    ] = None,
    compute_budget: Annotated[
        str | None,
        typer.Option(help="Likewise: a step's backward pass, as a part of full fine-tuning's. Default: 15%."),
    ] = None,
    meter: MeterOption = "auto",
    metrics_file: Annotated[
        Path | None,
        typer.Option(help="Keep the run's figures in this .prom file, for a Prometheus node exporter's text files."),
    ] = None,
    exit_accuracy: Annotated[
        float | None,
        typer.Option(
            help="How often a network with several exits is to be right, such as 0.85: images leave as early as that "
            "allows. Default: as often as its last exit."
        ),
    ] = None,
    remember: Annotated[
        float | None,
        typer.Option(
            metavar="PART",
            help="Part of each batch, such as 0.3, that are source images which the bundle keeps (export --keep), so "
            "that less is forgotten: 0 to 0.9.",
        ),
    ] = None,
    distill: Annotated[
        float | None,
        typer.Option(
            metavar="PART",
            help="Part of what each answer is to become that is the old model's answer to the same image, such as 0.5: "
            "less is forgotten, without any source image.",
        ),
    ] = None,
    label_smoothing: Annotated[
        float | None,
        typer.Option(
            metavar="PART",
            help="Part of what a label says, such as 0.1, that is spread evenly over all classes, so that answers "
            "become less sure.",
        ),
    ] = None,
    labels: Annotated[
        LabelChoice | None,
        typer.Option(
            help="none: train towards no label, for drift of the input. Statistics first, then answers are made surer, "
            "and stay of many classes. Default: all."
        ),
    ] = None,
    check_labels: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --labels none: so many labelled images of --val, or of --data, decide what is kept."
        ),
    ] = None,
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Run some more steps afterwards and report the time per operator and layer."),
    ] = False,
    class_weights: Annotated[
        ClassWeightsOption | None,
        typer.Option(
            help="balanced: let each class count alike in the loss, however many images it has. Default: none."
        ),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="Change the images to train on, others in each epoch: flip (mirrored left to right), shift (by up to "
            "1/8 of a side), or flip,shift. Nothing can be kept of them: each epoch computes the frozen part again."
        ),
    ] = None,
    starting_head: Annotated[
        StartingHeadChoice | None,
        typer.Option(
            help="Where only the last layer is trained. auto (the default): with fewer than 25 images of a class begin "
            "with one in closed form, as 'learn' makes it, if it is better on validation images. kept: never."
        ),
    ] = None,
    base: BaseOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out after its last whole epoch, if there is one.")
    ] = False,
    expect_id: ExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Fine-tune the trainable block on local images, keep the best validation state, and report.

    The state is saved after each epoch; a run that was interrupted in any way continues with --resume.
    """
    with extra("device"):
        from tbft_edge.pages.run_page import write_page
        from tbft_edge.progress import ConsoleProgress
        from tbft_runtime import Together, TrainOptions, read_report, train

        options = TrainOptions(
            data=data,
            out=out,
            validation=validation,
            val_fraction=val_fraction,
            plan=plan,
            drift=drift,
            batch_norm=batch_norm,
            epochs=epochs,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            batch_size=batch_size,
            patience=patience,
            seed=seed,
            threads=threads,
            cache=None if cache == "auto" else cache,
            cache_in=None if cache_in == "auto" else cache_in,
            memory_budget=None if memory_budget is None else memory_size(memory_budget, "--memory-budget"),
            update_budget=None if update_budget is None else memory_size(update_budget, "--update-budget"),
            compute_budget=None if compute_budget is None else part_of_whole(compute_budget, "--compute-budget"),
            meter=meter,
            remember=remember,
            distill=distill,
            label_smoothing=label_smoothing,
            profile=profile,
            exit_accuracy=exit_accuracy,
            class_weights=class_weights,
            augment=augment,
            starting_head=starting_head,
            base=base,
            labels=labels,
            check_labels=check_labels,
            resume=resume,
            expect_id=expect_id,
        )
        try:
            with ConsoleProgress() as console, _metrics(metrics_file, console.note, bundle) as metrics:
                result = train(bundle, options, Together(console, metrics))
        except KeyboardInterrupt:
            say(f"interrupted; '{out}' keeps every epoch that ended. Continue with the same command and --resume")
            raise
        page = write_page(out)
        if json:
            print_json(result)
            return
        _print(read_report(out), out, page)


def _metrics(path: Path | None, note: Callable[[str], None], bundle: Path) -> AbstractContextManager[Progress]:
    """What keeps the file, if one is asked for; the package that writes it is loaded only then."""
    if path is None:
        from tbft_runtime import Silent

        return nullcontext(Silent())
    from tbft_fleet.device.labels import labels_of
    from tbft_runtime import MetricsFile

    return MetricsFile(path, note, labels_of(bundle))


def _print(report: Report, out: Path, page: Path) -> None:
    """The outcome and how to go on stand last, where a terminal of few lines still shows them; details before."""
    from tbft_edge.facts.cautions import cautions
    from tbft_edge.tables.profile import print_profile
    from tbft_edge.tables.run import choices, in_brief, outcome
    from tbft_edge.tables.table import show

    for table in choices(report):
        show(table)
    if report.profile is not None:
        print_profile(report.profile, report.noun)
    show(in_brief(report, str(out)))
    show(outcome(report))
    for caution in cautions(report):
        say(caution)
    say(f"the same as a page: {page}")
    if report.result.exits is None:
        say(f"next: tbft-edge finalize {quoted(out)} --out model.onnx")
    else:
        say(f"next: tbft-edge predict {quoted(out)} PICTURES, which answers at the first exit that is sure enough")
