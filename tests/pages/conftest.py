"""What the tests of pages share: every odd report's page."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from support.odd_reports import made_up_comparison, odd_reports
from tbft_edge.pages.comparison_page import comparison_page
from tbft_edge.pages.run_page import run_page


@pytest.fixture(scope="session")
def pages() -> Mapping[str, str]:
    """HTML by name: one per odd report, and the comparison of them all."""
    reports = odd_reports()
    shown = list(reports.values())
    return {
        **{name: run_page(report) for name, report in reports.items()},
        "comparison": comparison_page(made_up_comparison(shown), shown),
    }
