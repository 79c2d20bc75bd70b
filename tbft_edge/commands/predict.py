"""`tbft-edge predict`: name what is in pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbft_artifacts.errors import TbftError
from tbft_artifacts.words import printable
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption, ModelExpectIdOption, ThreadsOption, WindowOption, is_bank
from tbft_edge.console import print_json, print_line, say
from tbft_edge.figures import percent

UNKNOWN = "unknown"


def command(
    model: Annotated[
        Path, typer.Argument(help="A bundle, a run folder (its best state), a finalized .onnx file, or a .bank.")
    ],
    images: Annotated[
        list[Path],
        typer.Argument(help="Pictures, folders of pictures, or .npz files; of signals .npz, .csv and .wav files."),
    ],
    unknown: Annotated[
        bool,
        typer.Option(
            "--unknown",
            help="Print 'unknown' for what looks like none of the classes, less than 19 of 20 images of the source do. "
            "Needs a bundle that was exported with --source.",
        ),
    ] = False,
    window: WindowOption = None,
    threads: ThreadsOption = None,
    expect_id: ModelExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Print the likeliest class of each picture: name, class and probability, separated by tabs.

    A run with several exits answers at the first one that is sure enough; --json says at which. Of a bank the domain
    follows in a fourth column, with a question mark where the images look like none of its domains.
    """
    with extra("device"):
        from msgspec.structs import replace

        from tbft_runtime import Bank
        from tbft_runtime.domains.answers import answered_by_domain
        from tbft_runtime.domains.bank import WINDOW
        from tbft_runtime.inference.prediction import Prediction, answered

        found: list[Prediction] = []
        try:
            if is_bank(model, window):
                bank = Bank.open(model, threads, expect_id)
                predictions = answered_by_domain(bank, images, window or WINDOW, _skipped)
            else:
                predictions = answered(model, images, threads, _skipped, expect_id)
            for prediction in predictions:
                if unknown and prediction.unknown is None:
                    raise TbftError(
                        f"'{model}' does not know what images of its classes look like",
                        "export the bundle with --source, and train again",
                    )
                if json:
                    found.append(replace(prediction, image=printable(prediction.image)))
                else:
                    label = UNKNOWN if unknown and prediction.unknown else prediction.label
                    domain = [] if prediction.domain is None else [_domain(prediction.domain, prediction.fits)]
                    print_line(prediction.image, label, percent(prediction.probability), *domain)
        except TbftError:
            # One that cannot be read is no reason to lose the others.
            if found:
                print_json(found)
            raise
        if json:
            print_json(found)


def _domain(name: str, fits: bool | None) -> str:
    return name if fits else f"{name}?"


def _skipped(name: str, problem: str) -> None:
    say(f"skipped {name}: {problem}")
