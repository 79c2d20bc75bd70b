"""What is said of a run is said once: terminal, Markdown and page have the same words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

import pytest
from msgspec.structs import replace

from support.html_text import Page, read_page
from support.made_up_reports import made_up_calibration, made_up_report
from support.odd_reports import odd_reports
from tbft_artifacts.plan import Drift
from tbft_edge.facts.cautions import cautions
from tbft_edge.facts.energy import part_of_time
from tbft_edge.facts.fact import Fact
from tbft_edge.facts.run import brief, groups
from tbft_edge.facts.trained import trained
from tbft_edge.pages.markup import text
from tbft_edge.pages.run_page import run_page
from tbft_edge.tables.run import between, choices, in_brief, in_full, outcome
from tbft_runtime.exits.record import Calibration
from tbft_runtime.reporting.report import Report
from tbft_runtime.run.settings import Execution

REPORTS = odd_reports()
LATENCIES = "Latency by phase"


def plain(words: str) -> str:
    """As a reader sees it: a badge is a word; space, and where an endless name was cut, are no matter."""
    return re.sub(r"\w*…\w*", "…", " ".join(words.replace(" est.", " estimate").split()))


def shown(words: str) -> str:
    """The same of what a page is given: it replaces what cannot be seen, and shortens what is endless."""
    return plain(unescape(text(words)))


def on_page(page: Page) -> list[tuple[str, str]]:
    return [(plain(name), plain(words)) for name, words in zip(page.all("dt"), page.all("dd"), strict=True)]


def facts_of(report: Report) -> Mapping[str, str]:
    return {fact.name: shown(fact.words) for group in groups(report) for fact in group.facts}


@pytest.fixture(scope="module")
def pages() -> Mapping[str, Page]:
    return {name: read_page(run_page(report)) for name, report in REPORTS.items()}


@pytest.mark.parametrize("name", REPORTS)
def test_terminal_and_page_say_the_same(name: str, pages: Mapping[str, Page]) -> None:
    """Every name and its words, no more and no less on either, also where much is missing or strange."""
    said = [table for table in in_full(REPORTS[name]) if table.title != LATENCIES]
    printed = [(shown(fact), shown(words)) for table in said for fact, words in table.rows]
    assert len(printed) > 25
    assert sorted(printed) == sorted(on_page(pages[name]))
    assert [table.title for table in said if table.title not in pages[name].all("h3")] == []


@pytest.mark.parametrize("name", REPORTS)
def test_tables_have_the_same_rows(name: str, pages: Mapping[str, Page]) -> None:
    """Accuracy before and after, channels, exits, and how long phases took."""
    report, page = REPORTS[name], pages[name]
    spread = [table for table in in_full(report) if table.title == LATENCIES]
    assert len(spread) == bool(report.result.latency)
    rows = [
        plain("".join(map(shown, row))) for table in [*choices(report), *between(report), *spread] for row in table.rows
    ]
    assert [row for row in rows if row not in map(plain, page.all("tr"))] == []
    table = outcome(report)
    heading, body = shown(table.title), plain(page.body)
    assert plain(page.all("h1")[0]) == heading[:1].upper() + heading[1:]
    for name_of_it, before, after in table.rows if report.epochs else ():
        is_old = name_of_it.startswith("old")
        said = f"{before} → {after}" if is_old else f"Validation: {before} before, {after} in the best state."
        assert said in body


@pytest.mark.parametrize("name", REPORTS)
def test_cautions_are_the_same(name: str, pages: Mapping[str, Page]) -> None:
    items = [plain(item) for item in pages[name].all("li") if item.startswith("▲")]
    warned = [item.removeprefix("▲ ") for item in items]
    assert warned == list(map(shown, cautions(REPORTS[name])))


def test_every_caution_can_be_said() -> None:
    """A plain run has none, a troubled one a line for each trouble."""
    assert cautions(made_up_report()) == []
    assert cautions(REPORTS["troubled"]) == [
        "the best state is worse than the base model on the validation images; 'finalize' will refuse it without "
        "--allow-worse",
        "2 images could not be read and did not take part",
        "the meter covered 60% of the time, and its joules are of that part",
        "other processes kept 1.4 cores busy on average",
        "the board was throttled: under-voltage, frequency capped",
    ]
    (kept,) = cautions(made_up_report(best_epoch=0, accuracy_after=0.25, lr=0.5))
    assert kept == "no epoch was better than the base model, which is what is kept: try a lower --lr than 0.5"


@pytest.mark.parametrize("name", REPORTS)
def test_right_after_training_nothing_is_said_that_report_does_not_say(name: str) -> None:
    """A few facts of all, in the same words, and accuracy apart."""
    report = REPORTS[name]
    table, said = in_brief(report, "run"), facts_of(report)
    assert 5 <= len(table.rows) < 10
    assert {fact: shown(words) for fact, words in table.rows}.items() <= said.items()
    assert [fact.name for fact in brief(report)] == [row[0] for row in table.rows]


def test_settings_are_said() -> None:
    said = facts_of(made_up_report(lr=0.003, seed=7, batch_size=16, tuned=True))
    assert (said["learning rate"], said["seed"], said["batch size"]) == ("0.003", "7", "16")
    computed = "winograd gradients, 8 images at once per thread, winograd frozen part (as measured by tune)"
    assert said["computed with"] == computed


@pytest.mark.parametrize(("divided", "batch_norm"), [(False, "frozen"), (True, "batch")])
def test_images_at_once_are_said_only_where_a_batch_is_divided(divided: bool, batch_norm: str) -> None:
    """A batch whose statistics are needed stays whole, whatever was set; old reports say so by their batch norms."""
    execution = Execution(micro_batch=1, gradient_form="winograd", prefix_form=None, spinning=False)
    changes = {"divided": divided, "batch_norm": batch_norm, "execution": execution}
    assert facts_of(made_up_report(**changes))["computed with"] == "winograd gradients (by default)"
    assert "1 image at once per thread" in facts_of(made_up_report(execution=execution))["computed with"]


def test_parts_of_a_batch_are_said() -> None:
    """With their own statistics, of however many images one thread takes at once."""
    said = facts_of(made_up_report(batch_norm="block", statistics_part=8))
    assert said["batch norms"] == "block, parts of 8"
    assert "at once" not in said["computed with"]


@pytest.mark.parametrize(
    ("drift", "blocks", "words"),
    [
        ("feature", (), "nothing"),
        ("full", tuple("abcdefgh"), "everything"),
        (None, tuple("abc"), "a, b, c"),
        (None, tuple("abcd"), "a, b, c, d"),
        (None, tuple("abcde"), "a, b, c and 2 more"),
    ],
)
def test_trained_blocks_are_few_words(drift: Drift | None, blocks: tuple[str, ...], words: str) -> None:
    """A network may have a hundred blocks; the settings list them."""
    assert trained(drift, blocks) == words
    assert facts_of(made_up_report(blocks=blocks))["trained blocks"] == (", ".join(blocks) or "none")


@pytest.mark.parametrize(
    ("covered", "words"),
    [(1.0, "100.0%"), (0.9999, "almost all"), (0.6, "60.0%"), (0.0001, "almost none"), (0.0, "0.0%")],
)
def test_a_part_never_reads_as_all_or_nothing(covered: float, words: str) -> None:
    assert part_of_time(covered) == words


def test_an_estimate_is_marked_where_there_is_a_figure() -> None:
    assert Fact("energy", "5 J", "of the board", is_estimate=True).words == "5 J est. (of the board)"
    assert Fact("energy", "–", is_estimate=True).words == "–"
    assert Fact("energy", "unavailable", "no meter", is_estimate=True).words == "unavailable (no meter)"


def exits(**changes: object) -> Calibration:
    return replace(made_up_calibration(), **changes)


@pytest.mark.parametrize("calibration", [exits(wanted=0.8, has_margin=False), exits(has_margin=False)])
def test_a_threshold_that_misses_what_was_wanted_is_a_caution(calibration: Calibration) -> None:
    report = made_up_report(exits=calibration)
    (missed,) = [caution for caution in cautions(report) if caution.startswith("no threshold is right for")]
    assert missed in facts_of(report)["leaving where"]
    assert not [caution for caution in cautions(made_up_report(exits=exits())) if "no threshold" in caution]
