"""`report.html`: the page of one run."""

from __future__ import annotations

from pathlib import Path

from tbft_artifacts.atomic import replace_if_other
from tbft_edge.facts.cautions import cautions
from tbft_edge.pages import (
    diagnosis_section,
    exits_section,
    learned_section,
    old_data_section,
    run_details,
    selection_section,
)
from tbft_edge.pages.board_plots import board_plots
from tbft_edge.pages.class_plots import class_plots
from tbft_edge.pages.document import page, section, tiles, warnings
from tbft_edge.pages.epoch_plots import epoch_plots
from tbft_edge.pages.headline import header, headline, title
from tbft_edge.pages.markup import element
from tbft_runtime.reporting.read import read_report
from tbft_runtime.reporting.report import Report
from tbft_runtime.run.folder import RunFolder


def write_page(out: Path) -> Path:
    """The report of the run in `out` as a page beside it; its path."""
    folder = RunFolder(out)
    replace_if_other(folder.page_file, run_page(read_report(out)).encode(), mode=folder.mode)
    return folder.page_file


def run_page(report: Report) -> str:
    """The page as one HTML file: light and dark, for phones and paper, without network or script."""
    body = [
        header(report),
        tiles(headline(report)),
        warnings(cautions(report)),
        section("Learning", epoch_plots(report)),
        section("Time and board", board_plots(report)),
        section("What was trained, and what it changed", class_plots(report)),
    ]
    if report.result.old is not None:
        body.append(section("What was forgotten", old_data_section.forgetting(report.result.old, report.noun)))
    if report.diagnosis is not None:
        body.append(section("Why this block", diagnosis_section.why(report.diagnosis)))
    if report.result.selection is not None:
        chosen = selection_section.chosen_channels(report.result.selection, report.noun)
        body.append(section("Why these channels", chosen))
    if report.result.learned is not None:
        body.append(section("The new head", learned_section.closed_form(report.result.learned, report.noun)))
    if report.result.unlabelled is not None:
        body.append(section("How it learned", run_details.unlabelled(report, report.result.unlabelled)))
    if report.result.exits is not None:
        body.append(section("Early answers", exits_section.leaving(report.result.exits, report.noun)))
    if report.profile is not None:
        body.append(section("Profile", run_details.profile(report.profile, report.noun)))
    body += [
        section("Latency", run_details.latencies(report)),
        section("Energy", run_details.energy(report.result)),
        section("Board", run_details.board(report.result)),
        section("Settings and versions", run_details.settings(report)),
        element("footer", f"tbft-edge, report format {report.format}. Figures without a source are not shown."),
    ]
    return page(title(report), body)
