"""The page of compared methods has a row per entry, a plot per cost, and says what is missing."""

from __future__ import annotations

from support.html_text import Page, read_page
from support.made_up_comparisons import made_up_entry, made_up_figures, made_up_methods, odd_comparisons
from support.odd_reports import HOSTILE
from tbft_edge.compare.page import methods_page
from tbft_edge.compare.results import Results
from tbft_edge.compare.tradeoffs import tradeoffs


def shown(results: Results) -> Page:
    return read_page(methods_page(results))


def test_rows_say_what_was_measured_and_what_is_stated() -> None:
    rows = shown(made_up_methods()).all("tr")
    assert rows[2] == "tbfttbft, feature drift25.0%85.0%time, energy, memory20.0 s100 J110.0 MB40.0 MB"
    assert rows[4] == "hastytbft, feature drift–failed–––––"
    assert rows[7] == "tbfttbft, feature drift277,4401.1 MB54.4 M180.0 kB1.25 ms"


def test_ranges_stand_below_medians() -> None:
    page = shown(odd_comparisons()["methods-repeated"])
    ranges = [attributes for tag, attributes in page.attributes if attributes.get("class") == "range"]
    assert len(ranges) == 5 * 5  # Accuracy, time, energy, peak memory, above idle.
    assert "Medians of 3 repeats" in page.body


def test_plots_say_in_words_what_they_show() -> None:
    labels = [attributes.get("aria-label") or "" for _, attributes in shown(made_up_methods()).attributes]
    time = next(label for label in labels if label.startswith("Accuracy and time"))
    assert "tbft: 85.0%, 20.0 s, which no other one beats; full: 80.0%, 60 s" in time.replace("60.0", "60")
    assert "hasty" not in time


def test_without_joules_the_plot_says_why() -> None:
    results = odd_comparisons()["methods-without-meter"]
    assert [plot.picture is None for plot in tradeoffs(results)] == [False, True, False]
    assert "unavailable: there is no meter" in shown(results).body


def test_accuracy_never_has_a_tick_beyond_all() -> None:
    page = methods_page(odd_comparisons()["methods-all-alike"])
    assert "100 %" in page
    assert "101 %" not in page
    assert "102 %" not in page


def test_failures_and_notes_stand_below_the_tables() -> None:
    page = shown(made_up_methods())
    assert "hasty: 1 of 1 runs failed: the loss of epoch 2 is no number" in page.body
    assert "last-layer: the meter is a toy" in page.body
    assert "none ended well" in page.body


def test_where_accuracy_was_measured_is_said() -> None:
    entry = made_up_entry("tbft", made_up_figures())
    assert "the images that each run held out to validate on (80)" in shown(made_up_methods(entry)).body
    tested = shown(made_up_methods(entry, test="more.npz (12ab)", test_images=1000)).body
    assert "Accuracy on the test images (1,000)" in tested
    assert "more.npz (12ab), 1,000 images" in tested


def test_hostile_names_are_text() -> None:
    results = odd_comparisons()["methods-hostile-names"]
    assert "<script" not in methods_page(results)
    assert HOSTILE in shown(results).body
