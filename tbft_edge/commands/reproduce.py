"""`tbft-edge reproduce`: experiments of papers, on the host and in a device's environment."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, say
from tbft_edge.figures import percent

if TYPE_CHECKING:
    from tbft_edge.reproduce.pytorch.source_training import SourceEpoch
    from tbft_edge.reproduce.runner import TrialEnded

SuiteChoice = Literal["cifar10-c", "cifar-flip", "living17", "motivation", "source5", "system-cost", "botta"]


def command(
    suite: Annotated[SuiteChoice, typer.Argument(help="Which experiment.")],
    out: Annotated[Path, typer.Option(help="Folder for results; a second call goes on where the first one stopped.")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="CIFAR-10's batches, a CIFAR-10-C folder, an .npz or a folder per class; for living17 ImageNet's "
            "folder; for botta clean photos. system-cost needs none."
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="The trained ResNet-26: .pth or .safetensors. system-cost needs none.")
    ] = None,
    train_source: Annotated[
        Path | None,
        typer.Option(help="Train the ResNet-26 on these images first, by the authors' recipe, where there is none."),
    ] = None,
    preset: Annotated[
        Literal["quick", "paper"],
        typer.Option(help="quick: 10 % of the images, one run each; of botta three drifts. paper: the whole protocol."),
    ] = "quick",
    device_python: Annotated[
        Path | None,
        typer.Option(
            help="Python of an environment with 'tbft-edge[device]'. Default: the environment 'device' beside this one."
        ),
    ] = None,
    breeds: Annotated[
        Path | None, typer.Option(help="For living17: BREEDS's hierarchy files, to check the classes against them.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Trials at a time, one thread each. Default: one per core; system-cost: 1."),
    ] = None,
    meter: Annotated[
        str, typer.Option(help="Where joules come from, as for 'train'. With one, trials run one after the other.")
    ] = "none",
    json: JsonOption = False,
) -> None:
    """Rerun an experiment of the TBFT paper: its protocol in PyTorch, and export and training on the device.

    botta holds training without labels against Tent, SHOT and T3A instead, where pools are small or lopsided.
    Both engines see the same images in the same order. The table goes to stdout, FOLDER/SUITE.json and .html.
    """
    with extra("export"):
        from tbft_edge.reproduce.device_python import default_device_python
        from tbft_edge.reproduce.report import print_results, write_page
        from tbft_edge.reproduce.session import Options, Watch, reproduce

        options = Options(
            suite=suite,
            data=data,
            weights=weights,
            train_source=train_source,
            out=out,
            device_python=device_python or default_device_python(),
            preset=preset,
            # Joules of a board are those of all that runs on it, and times where they are the result.
            jobs=1 if meter != "none" or suite == "system-cost" else jobs or os.cpu_count() or 1,
            threads=1,
            meter=meter,
            breeds=breeds,
        )
        watch = Watch(partial(_say_plan, f"{suite}, {preset}"), say_trial, _say_source_epoch)
        try:
            results = reproduce(options, watch)
        except KeyboardInterrupt:
            say(f"interrupted; '{out}' keeps every trial that ended. The same command goes on")
            raise
        page = write_page(results, out / f"{suite}.html")
    if json:
        print_json(results)
    else:
        print_results(results)
    say(f"wrote {out / f'{suite}.json'} and {page}")


def _say_plan(what: str, trials: int, minutes: float | None) -> None:
    say(f"{what}: {trials} trials" + ("" if minutes is None else f", about {minutes:.0f} min"))


def _say_source_epoch(epoch: SourceEpoch) -> None:
    say(f"source network: epoch {epoch.number}, loss {epoch.loss:.3f}, {percent(epoch.accuracy)} right")


def say_trial(progress: TrialEnded) -> None:
    """A line on stderr for a trial that ended."""
    trial, outcome = progress.trial, progress.outcome
    left = progress.seconds / progress.done * (progress.total - progress.done)
    say(
        f"[{progress.done}/{progress.total}] {trial.case}, {trial.size} %: {trial.engine} {trial.recipe} "
        f"{trial.block or ''}: {percent(outcome.accuracy)}{' (diverged)' if outcome.diverged else ''}; "
        f"about {left / 60:.0f} min left"
    )
