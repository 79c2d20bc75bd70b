"""What the tests of pages share: every odd report's page as a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from support.html_text import Page, read_page
from support.made_up_comparisons import odd_comparisons
from support.odd_reports import made_up_comparison, odd_reports
from tbft_edge.compare.page import methods_page
from tbft_edge.pages.comparison_page import comparison_page
from tbft_edge.pages.run_page import run_page


@pytest.fixture(scope="session")
def pages() -> Mapping[str, str]:
    """HTML by name: one per odd report, the comparison of them all, and one per odd comparison of methods."""
    reports = odd_reports()
    shown = list(reports.values())
    deep = [reports[name] for name in ("deep", "deep-whole", "plain")]
    return {
        **{name: run_page(report) for name, report in reports.items()},
        "comparison": comparison_page(made_up_comparison(shown), shown),
        "deep-comparison": comparison_page(made_up_comparison(deep), deep),
        **{name: methods_page(results) for name, results in odd_comparisons().items()},
    }


@pytest.fixture(scope="session")
def read(pages: Mapping[str, str]) -> Mapping[str, Page]:
    """The same, read."""
    return {name: read_page(text) for name, text in pages.items()}


@pytest.fixture(scope="session")
def files(pages: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text)
    return {name: folder / f"{name}.html" for name in pages}
