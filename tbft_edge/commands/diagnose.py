"""`tbft-edge diagnose`: which block drifted, and why; trains nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import BaseOption, ExpectIdOption, JsonOption, ThreadsOption
from tbft_edge.console import print_json, print_line, quoted, say


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle folder or .tar.gz, made by 'tbft-edge export --drift all'.")],
    data: Annotated[
        Path, typer.Option(help="Labelled images from where the model is used: what 'train' would be given as --data.")
    ],
    samples: Annotated[int, typer.Option(min=20, max=1_000_000, help="How many of them to look at.")] = 128,
    seed: Annotated[int, typer.Option(min=0, max=2**53, help="Decides which, as it does for 'train'.")] = 0,
    threads: ThreadsOption = None,
    base: BaseOption = None,
    expect_id: ExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Tell from a few labelled images which block of the network drifted, and so which one to train.

    'train --drift auto' decides alike, and trains that block.
    """
    with extra("device"):
        from tbft_edge.progress import ConsoleProgress
        from tbft_edge.tables.diagnosis import evidence, verdict
        from tbft_edge.tables.table import show
        from tbft_runtime import DiagnoseOptions, diagnose

        options = DiagnoseOptions(
            data=data, samples=samples, seed=seed, threads=threads, base=base, expect_id=expect_id
        )
        with ConsoleProgress() as progress:
            diagnosis = diagnose(bundle, options, progress)
        if json:
            print_json(diagnosis)
            return
        show(evidence(diagnosis))
    for line in ["", *verdict(diagnosis)]:
        print_line(line)
    images, plan = quoted(data), quoted(diagnosis.plan)
    begun = "" if base is None else f" --from {quoted(base)}"
    say(f"next: tbft-edge train {quoted(bundle)} --data {images} --plan {plan}{begun} --out run")
