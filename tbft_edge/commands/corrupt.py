"""`tbft-edge corrupt`: a drifted copy of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, say


def command(
    data: Annotated[Path, typer.Argument(help="Images: an .npz or a folder with a folder per class.")],
    name: Annotated[str, typer.Option(help="Which corruption; --list names them.")],
    out: Annotated[Path, typer.Option(help="The copy to write: an .npz of an .npz, else a new folder of PNG files.")],
    severity: Annotated[int, typer.Option(help="How strong, from 1 to 5.")] = 5,
    seed: Annotated[int, typer.Option(help="Decides what is random.")] = 0,
    _list: Annotated[
        bool,
        typer.Option(
            "--list", help="Print the corruptions and exit.", is_eager=True, callback=lambda value: _print_names(value)
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Write a copy of a data set in which every image is corrupted, to test how a model takes it.

    Images of up to 32 pixels get the strengths of CIFAR-10-C, larger ones those of ImageNet-C.
    """
    with extra("device"):
        from tbft_edge.progress import ConsoleProgress
        from tbft_runtime.corruptions.data_set import corrupt_data

        with ConsoleProgress() as progress:
            result = corrupt_data(data, name, severity, seed, out, progress)
    if result.skipped_images:
        say(f"skipped {len(result.skipped_images)} unreadable images: {', '.join(result.skipped_images[:5])}")
    if json:
        print_json(result)
        return
    print_line(f"{result.out}: {result.images} images, {result.corruption} of severity {result.severity}")


def _print_names(wanted: bool) -> None:
    if wanted:
        with extra("device"):
            from tbft_runtime.corruptions.corrupt import CORRUPTIONS

        for name in CORRUPTIONS:
            print_line(name)
        raise typer.Exit
