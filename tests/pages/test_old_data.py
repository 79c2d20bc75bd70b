"""What a run forgot is said wherever its accuracy is: page, terminal, Markdown, and beside other runs."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from support.html_text import Page, read_page
from support.made_up_reports import made_up_old_data, made_up_report
from tbft_edge.facts.cautions import cautions
from tbft_edge.facts.run import brief
from tbft_edge.pages.comparison_page import comparison_page
from tbft_edge.pages.run_page import run_page
from tbft_edge.tables.costs import cost_table
from tbft_edge.tables.run import between, in_full, outcome
from tbft_runtime.reporting.compare import compare

OLD = made_up_old_data()
FORGETFUL = made_up_report(old=OLD)


def test_the_page_has_the_curve_and_its_figures(read: Mapping[str, Page]) -> None:
    page = read["forgetful"]
    assert "What was forgotten" in page.all("h2")
    labels = [attributes.get("aria-label") or "" for _, attributes in page.attributes]
    (curve,) = [label for label in labels if label.startswith("Accuracy on new and on old data")]
    assert "0.5: 50.0% new, 90.0% old" in curve
    assert "1.0: 75.0% new, 70.0% old" in curve
    assert any("90.0% → 70.0%" in text for text in page.all("dd"))
    assert "0.550.0%90.0%70.0%" in page.all("tr")
    assert "best mean: 1.0" in page.body


def test_the_terminal_and_the_document_say_it() -> None:
    assert ["old-data accuracy", "90.0%", "70.0%"] in outcome(FORGETFUL).rows
    assert any(fact.name == "old-data accuracy" for fact in brief(FORGETFUL))
    (blends,) = between(FORGETFUL)
    assert len(blends.rows) == 11
    assert between(made_up_report()) == []


def test_the_part_of_old_answers_is_among_the_settings() -> None:
    (settings,) = [table for table in in_full(made_up_report(distill=0.5)) if table.title == "Settings"]
    assert ["old model's answers", "50.0% of what is learned"] in settings.rows
    (settings,) = [table for table in in_full(made_up_report()) if table.title == "Settings"]
    assert not any("old model" in row[0] for row in settings.rows)


def test_a_run_that_measured_nothing_between_says_why() -> None:
    page = read_page(run_page(made_up_report(old=replace(OLD, blends=()))))
    assert "measures what lies between" in page.body


def test_a_run_beside_others_has_a_column_where_one_knows() -> None:
    plain = made_up_report("full", 41.0)
    comparison = compare([FORGETFUL, plain])
    table = cost_table(comparison)
    assert "old-data\naccuracy" in table.columns
    assert "90.0% → 70.0%" in table.rows[0]
    assert "90.0% → 70.0%" in read_page(comparison_page(comparison, [FORGETFUL, plain])).body
    assert not any("old" in column for column in cost_table(compare([plain])).columns)


def test_much_that_is_forgotten_is_a_caution_with_a_way_out() -> None:
    lost = replace(OLD, remember=None, blends=())
    assert any("--remember" in words for words in cautions(made_up_report(old=lost)))
    half = replace(OLD.blends[5], accuracy=0.74)
    chosen = replace(OLD, blends=(*OLD.blends[:5], half, *OLD.blends[6:]))
    assert any(
        "--blend auto makes a model of 0.5: 74.0% new" in words for words in cautions(made_up_report(old=chosen))
    )
    little = replace(OLD, accuracy_after=0.88)
    assert not any("old-data" in words for words in cautions(made_up_report(old=little)))
