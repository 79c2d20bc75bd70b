"""The committed page of comparisons: a section and plots for each, written from files."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.comparison_page import drawn, write
from support.made_up_comparisons import made_up_methods, odd_comparisons
from tbft_artifacts.errors import TbftError
from tbft_edge.compare.markdown import Shown, comparison_markdown
from tbft_edge.compare.results import write_results

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_several_files_make_one_page(tmp_path: Path) -> None:
    """In their order, each with the plots that are named after its file."""
    for name, made in (("resnet26", "methods"), ("lite0", "methods-without-meter")):
        write_results(odd_comparisons()[made], tmp_path / f"{name}.json")
    write([tmp_path / "resnet26.json", tmp_path / "lite0.json"], tmp_path / "comparison.md")
    page = (tmp_path / "comparison.md").read_text()
    plots = re.findall(r"\]\((comparison/.*?)\)", page)
    assert plots == ["comparison/resnet26.svg", "comparison/lite0.svg"]
    assert [(tmp_path / plot).read_text() for plot in plots] == [
        drawn(odd_comparisons()[made]) for made in ("methods", "methods-without-meter")
    ]
    assert page.count("\n## ") == 2
    assert page.index("| tbft |") < page.index("| blind |")


def test_plots_have_a_panel_per_cost_that_is_known() -> None:
    words = texts(drawn(made_up_methods()))
    assert [word for word in words if word.startswith("Accuracy and")] == [
        "Accuracy and time",
        "Accuracy and energy",
        "Accuracy and memory",
    ]
    assert {"last-layer", "tbft", "full"} <= set(words)
    assert "Accuracy and energy" not in texts(drawn(odd_comparisons()["methods-without-meter"]))


@pytest.mark.parametrize("name", odd_comparisons())
def test_pages_of_all_kinds_are_whole(name: str) -> None:
    """Tables have a cell for every column, plots are XML, names of strangers are text."""
    results = odd_comparisons()[name]
    page = comparison_markdown([Shown(results, "comparison/odd.svg")])
    (table,) = re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE)
    assert len({re.sub(r"\\.", "", line).count("|") for line in table.splitlines()}) == 1
    assert len(table.splitlines()) == 2 + len(results.entries)
    assert not re.search(r"(?<!\\)<script", re.sub(r"```.*?```", "", page, flags=re.DOTALL))
    assert texts(drawn(results))


def test_the_page_says_what_made_it_and_what_failed() -> None:
    page = comparison_markdown([Shown(made_up_methods(), "comparison/made-up.svg")])
    assert "tbft-edge compare last-layer.tar.gz tbft.tar.gz full.tar.gz hasty.tar.gz --data photos.npz" in page
    assert "- hasty: 1 of 1 runs failed: the loss of epoch 2 is no number" in page
    assert "- board: Raspberry Pi 5 Model B Rev 1.0" in page


def test_a_page_of_nothing_or_of_twins_is_refused(tmp_path: Path) -> None:
    twin = tmp_path / "more"
    twin.mkdir()
    for folder in (tmp_path, twin):
        write_results(made_up_methods(), folder / "same.json")
    (tmp_path / "no.json").write_text("{}")
    for files in ([], [tmp_path / "no.json"], [tmp_path / "same.json", twin / "same.json"]):
        with pytest.raises(TbftError):
            write(files, tmp_path / "page.md")
    assert not (tmp_path / "page.md").exists()
    assert not (tmp_path / "page").exists()
