"""`tbft-edge report`: a run, or several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_text, say
from tbft_edge.tables.formats import Format, output_format, print_tables

if TYPE_CHECKING:
    from tbft_runtime import Comparison, Report


def command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, made by 'tbft-edge train', or their report.json.")],
    form: Annotated[Format | None, typer.Option("--format", help="How to print it on stdout. Default: table.")] = None,
    allow_different: Annotated[
        bool,
        typer.Option(
            "--allow-different",
            help="Accept runs on different boards or data; each is held against the full run of its own.",
        ),
    ] = False,
    allow_throttled: Annotated[
        bool, typer.Option("--allow-throttled", help="Accept runs during which the board was throttled.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show what a run did; of several, what each cost and saved against full fine-tuning."""
    chosen = output_format(form, json=json)
    with extra("device"):
        from tbft_runtime import compare, read_report
        from tbft_runtime.reporting.names import short_names

        reports = [read_report(run) for run in runs]
        names = short_names([_folder(run) for run in runs])
        if len(reports) == 1:
            _print_run(reports[0], names[0], chosen)
        else:
            comparison = compare(reports, names, allow_different=allow_different, allow_throttled=allow_throttled)
            _print_comparison(comparison, reports, chosen)


def _folder(run: Path) -> Path:
    """What a run is known by: its folder, also where its report.json was named; else the file."""
    from tbft_runtime.run.folder import RunFolder

    path = run.resolve()
    return path.parent if path == RunFolder(path.parent).report_file else path


def _print_run(report: Report, name: str, chosen: Format) -> None:
    if chosen == "json":
        print_json(report)
    elif chosen == "html":
        from tbft_edge.pages.run_page import run_page

        print_text(run_page(report))
    elif chosen == "csv":
        from tbft_edge.tables.costs import cost_csv
        from tbft_runtime import compare

        # Nothing is compared here, so a throttled run is shown as any other.
        print_text(cost_csv(compare([report], [name], allow_throttled=True)))
    else:
        from tbft_edge.facts.cautions import cautions
        from tbft_edge.tables.run import between, choices, in_full, outcome

        # A terminal shows the end of what is long, a document its beginning.
        details = [*choices(report), *between(report), *in_full(report)]
        tables = [outcome(report), *details] if chosen == "markdown" else [*details, outcome(report)]
        print_tables(tables, cautions(report), chosen)


def _print_comparison(comparison: Comparison, reports: Sequence[Report], chosen: Format) -> None:
    from tbft_edge.tables.costs import cost_csv, cost_table, notes

    if chosen == "json":
        print_json(comparison)
    elif chosen == "html":
        from tbft_edge.pages.comparison_page import comparison_page

        print_text(comparison_page(comparison, reports))
    elif chosen == "csv":
        # Each run's own notes have a column; these have no row to stand in.
        for note in comparison.notes:
            say(note)
        print_text(cost_csv(comparison))
    else:
        print_tables([cost_table(comparison)], notes(comparison), chosen)
