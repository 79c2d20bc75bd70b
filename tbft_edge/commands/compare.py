"""`tbft-edge compare`: methods on the same data, on the device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError
from tbft_artifacts.structs import MOST_EPOCHS
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import ExpectIdsOption, JsonOption, ThreadsOption, one_each
from tbft_edge.console import print_json, print_text, say
from tbft_edge.figures import percent
from tbft_edge.tables.formats import Format, output_format, print_tables

if TYPE_CHECKING:
    from tbft_edge.compare.results import Results
    from tbft_edge.compare.runs import RunEnded


def command(
    bundles: Annotated[
        list[Path], typer.Argument(metavar="BUNDLE...", help="Bundle folders or .tar.gz; each plan is an entry.")
    ],
    data: Annotated[Path, typer.Option(help="Training images, as for 'train'.")],
    out: Annotated[
        Path, typer.Option(help="Folder for runs and results; a second call goes on where the first stopped.")
    ],
    test: Annotated[
        Path | None,
        typer.Option(help="Measure accuracy on these labelled images; otherwise on those that are held out of --data."),
    ] = None,
    repeats: Annotated[
        int,
        typer.Option(
            min=1, max=1000, help="Train each entry so often, with seeds from --seed on: medians and spreads."
        ),
    ] = 1,
    epochs: Annotated[int | None, typer.Option(min=1, max=MOST_EPOCHS, help="How many at most. Default: 10.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**53, help="Decides split and order of the images.")] = 0,
    threads: ThreadsOption = None,
    val_fraction: Annotated[float | None, typer.Option(help="Part of --data to validate on. Default: 0.15.")] = None,
    meter: Annotated[str, typer.Option(help="Where joules come from, as for 'train'.")] = "auto",
    also: Annotated[
        str | None,
        typer.Option(
            metavar="WAYS",
            help="Beside the plans: unlabelled (the input's block by 'train --labels none'), learn (the last layer by "
            "'learn'), or unlabelled,learn.",
        ),
    ] = None,
    form: Annotated[Format | None, typer.Option("--format", help="How to print it on stdout. Default: table.")] = None,
    expect_id: ExpectIdsOption = None,
    json: JsonOption = False,
) -> None:
    """Train every plan of the bundles on the same data, each in a process of its own, and compare what each costs.

    FOLDER/comparison.html shows it as a page, FOLDER/comparison.json holds it, FOLDER/runs the runs themselves.
    """
    chosen = output_format(form, json=json)
    with extra("device"):
        from tbft_edge.compare.entries import other_ways
        from tbft_edge.compare.options import Options
        from tbft_edge.compare.page import methods_page
        from tbft_edge.compare.session import RESULTS, compare_methods
        from tbft_runtime.graphs.sessions import checked_threads
        from tbft_runtime.run.options import DEFAULT_EPOCHS, DEFAULT_VALIDATION

        if val_fraction is not None and not 0 < val_fraction < 1:
            raise TbftError(f"`val_fraction` {val_fraction} is not between 0 and 1", "0.15 is a good start")
        options = Options(
            data=data,
            test=test,
            out=out,
            repeats=repeats,
            seed=seed,
            epochs=DEFAULT_EPOCHS if epochs is None else epochs,
            threads=checked_threads(threads),
            val_fraction=DEFAULT_VALIDATION if val_fraction is None else val_fraction,
            meter=meter,
            also=other_ways(also),
        )
        try:
            results = compare_methods(bundles, options, say_run, one_each(expect_id, bundles))
        except KeyboardInterrupt:
            say(f"interrupted; '{out}' keeps every run and epoch that ended. The same command goes on")
            raise
        html = methods_page(results)
        page = out / "comparison.html"
        with atomic_file(page) as temporary:
            temporary.write_text(html, encoding="utf-8")
        _print(results, html, chosen)
    say(f"wrote {out / RESULTS} and {page}")


def say_run(progress: RunEnded) -> None:
    """A line on stderr for a run that ended."""
    run = progress.run
    if run.report is None:
        ended = run.outcome.failed or "failed"
    else:
        result = run.report.result
        ended = f"validation accuracy {percent(result.accuracy_after)}, {result.train_seconds:.1f} s"
    left = ""
    if progress.new and progress.done < progress.total:
        minutes = progress.seconds / progress.new * (progress.total - progress.done) / 60
        left = f"; about {minutes:.0f} min left"
    say(f"[{progress.done}/{progress.total}] {run.entry.name}, seed {run.seed}: {ended}{left}")


def _print(results: Results, html: str, chosen: Format) -> None:
    from tbft_edge.compare.table import comparison_csv, comparison_table, notes

    if chosen == "json":
        print_json(results)
    elif chosen == "html":
        print_text(html)
    elif chosen == "csv":
        print_text(comparison_csv(results))
    else:
        print_tables([comparison_table(results)], notes(results), chosen)
