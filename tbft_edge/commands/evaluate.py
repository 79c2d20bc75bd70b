"""`tbft-edge eval`: measure accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption, ModelExpectIdOption, ThreadsOption, WindowOption, is_bank
from tbft_edge.console import print_json, say
from tbft_edge.figures import percent
from tbft_edge.tables.table import Table, show

if TYPE_CHECKING:
    from tbft_runtime.domains.answers import BankEvaluation
    from tbft_runtime.inference.evaluation import EvaluationResult


def command(
    model: Annotated[
        Path, typer.Argument(help="A bundle, a run folder (its best state), a finalized .onnx file, or a .bank.")
    ],
    data: Annotated[
        Path, typer.Option(help="Labelled images or signals: an .npz, a folder with a folder per class, or a .csv.")
    ],
    window: WindowOption = None,
    threads: ThreadsOption = None,
    meter: Annotated[
        str,
        typer.Option(
            help="Measure the energy of answering one image at a time by this meter, as for 'train': auto, pmic, …"
        ),
    ] = "none",
    expect_id: ModelExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Measure accuracy and loss on labelled images.

    Of a run with several exits also where images leave, and how long answers take beside the whole network's. Of a bank
    also which domains answered, in windows of images as they come: a folder with a folder per class has one class after
    the other.
    """
    if is_bank(model, window):
        _of_bank(model, data, window, threads, meter, expect_id, json)
        return
    with extra("device"):
        from tbft_edge.facts.exits import saving
        from tbft_edge.progress import ConsoleProgress
        from tbft_edge.tables.exits import exit_shares, single_answers
        from tbft_runtime import evaluate

        with ConsoleProgress() as progress:
            result = evaluate(model, data, threads, progress, meter, expect_id=expect_id)
    if json:
        print_json(result)
        return
    show(_accuracies(result))
    if result.exits is not None:
        show(exit_shares(result.exits, result.input_kind))
        say(saving(result.exits))
    if result.single is not None:
        show(single_answers(result.single, result.input_kind))


def _of_bank(
    model: Path, data: Path, window: int | None, threads: int | None, meter: str, expect_id: str | None, json: bool
) -> None:
    with extra("device"):
        from tbft_edge.progress import ConsoleProgress
        from tbft_runtime import Bank
        from tbft_runtime.domains.answers import evaluate_bank
        from tbft_runtime.domains.bank import WINDOW

        if meter != "none":
            raise TbftError(f"a `meter` measures one model, and '{model}' holds several", "measure each run by itself")
        with ConsoleProgress() as progress:
            result = evaluate_bank(Bank.open(model, threads, expect_id), data, window or WINDOW, progress)
    if json:
        print_json(result)
        return
    show(_accuracies(result))
    rows = [[each.name, f"{each.images:,}", percent(each.accuracy)] for each in result.domains]
    show(Table("which domain answered", ["domain", f"{result.input_kind}s", "accuracy"], rows, numbers=True))
    if result.unfit:
        say(f"{result.unfit:,} of {result.images:,} {result.input_kind}s look like no domain of the bank")


def _accuracies(result: EvaluationResult | BankEvaluation) -> Table:
    rows = [[name, percent(accuracy)] for name, accuracy in result.accuracy_per_class.items()]
    title = f"accuracy {percent(result.accuracy)}, loss {result.loss:.4f} over {result.images} {result.input_kind}s"
    return Table(title, ["class", "accuracy"], rows, numbers=True)
