"""The page of a run says what its report says: all of it, in order, with every source and every doubt."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from support.html_text import Page, read_page
from support.made_up_reports import made_up_calibration, made_up_report
from support.odd_reports import HOSTILE, LONG, odd_reports
from tbft_artifacts.input_shape import InputShape
from tbft_edge.pages.run_page import run_page


def test_every_report_makes_a_page_of_its_own(pages: Mapping[str, str], read: Mapping[str, Page]) -> None:
    """Nothing of it is fetched or run; everything is nested; the file is not too large for mail."""
    for name, page in read.items():
        tags = {tag for tag, _ in page.attributes}
        assert not tags & {"script", "link", "img", "iframe", "object", "base"}, name
        for _, attributes in page.attributes:
            assert not {"src", "href", "style", "srcset"} & set(attributes)
            assert not any(key.startswith("on") for key in attributes)
        assert len(pages[name]) < 600_000


@pytest.mark.parametrize(("epochs", "stride"), [(10_000, 1), (10_000, 7), (201, 1)])
def test_very_many_epochs_make_a_page_for_people(epochs: int, stride: int) -> None:
    """No larger than that of a few hundred: a table of every so many, the best and the last one, which it says."""
    report = made_up_report()
    best = (epochs - 5) * stride + 1
    report = replace(
        report,
        result=replace(report.result, best_epoch=best, epochs=epochs * stride),
        epochs=tuple(replace(report.epochs[0], number=index * stride + 1) for index in range(epochs)),
        epoch_stride=stride,
    )
    text = run_page(report)
    assert len(text) < 200_000
    page = read_page(text)
    every = stride * -(-epochs // 200)
    assert f"every {every}th, the best and the last one" in page.body
    assert page.body.count("validation loss") < 300
    for number in (best, report.epochs[-1].number):
        assert f">{number}<" in text


def test_the_order_is_from_result_to_details(read: Mapping[str, Page]) -> None:
    page = read["plain"]
    assert page.all("h1") == ["Feature drift: trained layer3"]
    assert page.all("h2") == [
        "Learning",
        "Time and board",
        "What was trained, and what it changed",
        "Profile",
        "Latency",
        "Energy",
        "Board",
        "Settings and versions",
    ]
    assert page.all("h3")[:11] == [
        "Accuracy per epoch",
        "Loss per epoch",
        "Energy per epoch by phase",
        "Time of train steps",
        "Power over time",
        "Temperature and clock over time",
        "The network",
        "Before → after per class",
        "Worst confusions",
        "Confusion matrix after",
        "Confusion matrix before",
    ]


def test_the_headline_is_what_was_measured(read: Mapping[str, Page]) -> None:
    body = read["plain"].body
    for words in (
        "25.0% → 75.0%",
        "+50.0 points, of 80 validation images",
        "20.0 s",
        "step: 31.0 ms (p50)",
        "100 J",
        "meter: pmic (sensor)its scope: the rails that the power chip of a Raspberry Pi 5 measures",
        "40.0 J (without the 3.00 W of the idle board)",
        "126.0 MB",
        "Raspberry Pi 5 Model B Rev 1.0 · resnet26 · 2026-11-22 10:00 UTC",
    ):
        assert words in body
    assert "▲ " not in body
    assert "estimate" not in body


def test_every_doubt_is_said(read: Mapping[str, Page]) -> None:
    body = read["troubled"].body
    for words in (
        "worse than the base model",
        "throttled: under-voltage, frequency capped",
        "the meter covered 60% of the time",
        "1.4 cores busy",
        "2 images could not be read",
        "A dash: not covered by the meter",
        "Gaps: no reading",
    ):
        assert words in body
    facts = dict(zip(read["troubled"].all("dt"), read["troubled"].all("dd"), strict=True))
    assert facts["energy in epochs, net"] == "unavailable (what the idle board draws was not measured)"
    assert facts["covered"] == "60.0% of 20.0 s"
    assert facts["said by"] == "idle 2.7 W: its maker"


def test_what_is_missing_says_why(read: Mapping[str, Page]) -> None:
    nothing = read["nothing-known"].body
    for words in (
        "no validation image has a label",
        "no train step was timed",
        "nothing was looked at",
        "unknown board",
    ):
        assert words in nothing
    assert "None" not in nothing
    assert "only batch-norm statistics were re-estimated" in read["statistics-only"].body
    assert "No weight was trained" in read["statistics-only"].body


def test_no_page_shows_python(read: Mapping[str, Page]) -> None:
    for name, page in read.items():
        for word in ("None", "nan", "inf ", "Struct", "()"):
            assert word not in page.body, f"{word} in {name}"


def test_hostile_names_are_text(pages: Mapping[str, str], read: Mapping[str, Page]) -> None:
    assert "<script" not in pages["hostile-names"]
    assert HOSTILE in read["hostile-names"].body
    assert HOSTILE in read["hostile-names"].all("h1")[0]


def test_long_names_are_whole_somewhere(read: Mapping[str, Page]) -> None:
    """A picture cuts them off; its tip, and the description for those who cannot see it, do not."""
    titles = read["long-names"].all("title")
    assert any(" ".join(f"3{LONG}".split()) in title for title in titles)
    assert "…" in read["long-names"].body


def test_every_plot_has_words(read: Mapping[str, Page]) -> None:
    for page in read.values():
        pictures = [a for tag, a in page.attributes if tag == "svg" and a.get("aria-hidden") != "true"]
        assert all(picture["role"] == "img" and picture["aria-label"] for picture in pictures)
        assert len(page.all("figcaption")) == len(page.all("figure"))


def test_the_trained_block_is_named_beside_the_frozen_ones(read: Mapping[str, Page]) -> None:
    labels = [a["aria-label"] or "" for tag, a in read["plain"].attributes if tag == "svg" and "aria-label" in a]
    network = next(label for label in labels if label.startswith("Blocks"))
    assert "layer3: 277,440 parameters, trained" in network
    assert "fc: 650 parameters, frozen" in network
    assert "277,440 of 366,778 parameters (75.6%)" in read["plain"].body


def test_of_many_classes_those_that_changed_most_are_shown(read: Mapping[str, Page]) -> None:
    report = odd_reports()["thousand-classes"]
    body = read["thousand-classes"].body
    changes = {r.name: abs(r.right_after - r.right_before) / r.images for r in report.per_class if r.images}
    assert f"Of {len(changes)} classes the 30 that changed most" in body
    assert "24 classes without a validation image" in body
    figure = next(text for text in read["thousand-classes"].all("figure") if text.startswith("Before"))
    most = sorted(changes, key=lambda name: changes[name], reverse=True)
    assert f"{most[0]}:" in figure
    assert f"{most[-1]}:" not in figure


def test_the_worst_confusions_are_the_largest_cells_off_the_diagonal(read: Mapping[str, Page]) -> None:
    report = odd_reports()["ten-classes"]
    worst = max((c for c in report.confusion_after if c.true != c.predicted), key=lambda cell: cell.images)
    first = f"{report.classes[worst.true]} called {report.classes[worst.predicted]}"
    names = [name for name in read["ten-classes"].all("th") if " called " in name]
    assert names[0] == first
    assert len(names) == 10


def test_latencies_are_those_of_the_report(read: Mapping[str, Page]) -> None:
    rows = read["plain"].all("tr")
    assert "whole step49131.0 ms35.5 ms40.2 ms" in rows
    assert "validation5090.0 ms110 ms120 ms" in rows


def test_counts_of_cells_that_no_class_has_are_left_out() -> None:
    """A report may come from anywhere."""
    report = made_up_report()
    wrong = tuple(replace(cell, predicted=99) for cell in report.confusion_after)
    assert "unavailable" in read_page(run_page(replace(report, confusion_after=wrong))).body


def test_chosen_channels_have_a_section(read: Mapping[str, Page]) -> None:
    """A bar for each layer that is trained, a row with a reason for each; and how much of the network that is."""
    page = read["chosen-channels"]
    headings = page.all("h2")
    assert headings[headings.index("Why these channels") - 1] == "What was trained, and what it changed"
    assert "Why these channels" not in read["plain"].all("h2")
    assert [page.body.count(f"{count} of 8") >= 2 for count in (8, 3, 2, 1)] == [True] * 4
    for reason in (
        "every channel",
        "every channel that this data would change",
        "all that the update budget left",
        "all that the compute budget left",
        "no room in the update budget",
        "no room in the compute budget",
        "the backward pass down to it exceeds the compute budget",
        "this data would change none of it",
    ):
        assert reason in page.all("td")
    assert "82,250 of 366,778 parameters were trained" in page.body
    assert "987.0 kB of 1.0 MB for trained values" in page.body
    assert "no channel was chosen" in read["no-channel"].body


@pytest.mark.parametrize(
    ("wanted", "has_margin", "said"),
    [
        (
            0.75,
            True,
            "(the lowest threshold at which 75.0% of the validation images are answered rightly, with a standard error",
        ),
        (
            0.75,
            False,
            "(no threshold is right for 75.0% of the validation images with a standard error to spare; this is the",
        ),
        (0.80, False, "(no threshold is right for 80.0% of the validation images; this is the best one)"),
    ],
)
def test_a_margin_is_claimed_only_where_it_is_there(wanted: float, has_margin: bool, said: str) -> None:
    """A threshold that is the best of those that are right just as often as wanted is called that."""
    exits = replace(made_up_calibration(), wanted=wanted, has_margin=has_margin)
    page = read_page(run_page(made_up_report(exits=exits)))
    assert any(said in text for text in page.all("dd"))


def test_a_patch_of_numbers_is_called_no_image() -> None:
    """Reports from before they said so do not tell what the numbers of one channel are."""
    report = replace(made_up_report(), image_size=None, input_shape=InputShape(1, 49, 10))
    page = run_page(report)
    assert "1 channel of 49 × 10" in page
    assert "49 × 10 pixels" not in page
    assert "image 49" not in page
    assert "image 32 × 32" in run_page(made_up_report())
    assert "image 49 × 10" in run_page(replace(report, input_kind="image"))
    body = read_page(run_page(replace(report, input_kind="window"))).body
    assert "image" not in body
    assert "of 80 validation windows" in body


@pytest.mark.parametrize(("shape", "noun"), [((3, 1, 128), "window"), ((3, 32, 32), "image"), ((1, 49, 10), "image")])
def test_what_went_in_is_known_of_older_reports_by_its_shape(shape: tuple[int, int, int], noun: str) -> None:
    """A row is no picture; whatever else they were has always been called images."""
    report = replace(made_up_report(), image_size=None, input_shape=InputShape(*shape))
    assert report.noun == noun
