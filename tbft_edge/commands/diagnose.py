"""`tbft-edge diagnose`: which block drifted, why, and what to do about it; trains nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tbft_artifacts.errors import TbftError
from tbft_artifacts.words import printable
from tbft_edge.commands.halves import extra
from tbft_edge.commands.next_step import next_step
from tbft_edge.commands.options import BaseOption, ExpectIdOption, JsonOption, ThreadsOption
from tbft_edge.console import print_json, print_line, say

if TYPE_CHECKING:
    from tbft_runtime.diagnosis.asking import AskOptions


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle folder or .tar.gz, made by 'tbft-edge export --drift all'.")],
    data: Annotated[
        Path,
        typer.Option(
            help="Images from where the model is used: what 'train' would be given as --data. Without any label only "
            "drift of the input is told. With --ask pictures in any folders, or an .npz file."
        ),
    ],
    samples: Annotated[int, typer.Option(min=20, max=1_000_000, help="How many of them to look at.")] = 128,
    seed: Annotated[int, typer.Option(min=0, max=2**53, help="Decides which, as it does for 'train'.")] = 0,
    ask: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10_000,
            help="Look at images without labels, and name so many that are best labelled first: one of each kind that "
            "there is, those that stand for most first. Says nothing of what drifted.",
        ),
    ] = None,
    threads: ThreadsOption = None,
    base: BaseOption = None,
    expect_id: ExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Tell from a few images which block of the network drifted, and which way of adapting is right for that.

    Says how many labels are worth getting, and prints the next command: 'train --labels none', 'learn' or 'train'.
    'train --drift auto' decides alike, and trains that block. With --ask it names the images to label, one a line.
    """
    if ask is not None and base is not None:
        raise TbftError("--ask looks at features of the bundle as it came, and not of --from", "leave out --from")
    if ask is not None:
        with extra("device"):
            from tbft_runtime.diagnosis.asking import AskOptions

            _ask(bundle, AskOptions(data, ask, seed, threads, expect_id), json)
        return
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
    say(f"next: {next_step(diagnosis, bundle, data, base)}")


def _ask(bundle: Path, options: AskOptions, json: bool) -> None:
    """Name the images to label."""
    from tbft_edge.progress import ConsoleProgress
    from tbft_runtime.diagnosis.asking import ask

    with ConsoleProgress() as progress:
        asked = ask(bundle, options, progress)
    if json:
        print_json([printable(name) for name in asked.images])
    else:
        for name in asked.images:
            print_line(name)
    say(f"these {len(asked.images)} stand for {asked.seen:,}: put each into a folder named like its class")
