"""Results as people see them: whole on a narrow terminal, quiet as a page, honest as Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from benchmarks import reproduction_page
from support.chromium import Chromium, find_chromium
from support.html_text import read_page
from support.made_up_scenarios import every_scenario
from support.made_up_trials import ACCURACY, SECONDS, default_records, outcome, quick, record, results
from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce import report
from tbft_edge.reproduce.blocks import BLOCKS
from tbft_edge.reproduce.markdown import command
from tbft_edge.reproduce.markdown import reproduction_page as markdown_page
from tbft_edge.reproduce.report import print_results, write_page
from tbft_edge.reproduce.results import Results, write_results
from tbft_edge.reproduce.results_page import results_page
from tbft_edge.reproduce.summary.whole import summarize

HOSTILE = "<script>alert('&\"')</script>"
NARROW = 80


def motivation() -> Results:
    noises = {f"noise-{noisy}": dict.fromkeys(BLOCKS, 0.8) for noisy in BLOCKS[:-1]}
    return results(
        default_records(noises), suite="motivation", target={f"noise-{noisy}": noisy for noisy in BLOCKS[:-1]}
    )


def large() -> Results:
    """15 drifts with long names, three sizes, joules, hours, and training that makes it worse."""
    records = []
    for size in (10, 20, 30):
        for drift in range(15):
            name = f"elastic_transform{drift:02}"[-17:]
            records.append(record(name, "none", None, outcome(0.6 + drift / 100, 0.0), size=size))
            for block, seconds in SECONDS.items():
                slow = outcome(0.3 + drift / 50, 90 * seconds * (1 + drift % 3), joules=seconds if drift else None)
                records += [
                    record(name, "default", block, slow, size=size),
                    record(name, "adapt", block, slow, size=size),
                    record(name, "paper", block, outcome(0.9, 25_000.0), engine="pytorch", size=size),
                    record(name, "paper", block, slow, size=size),
                ]
    return results(records, meter="pmic")


def system_cost() -> Results:
    records = [
        record(case, "default", block, outcome(0.1, 10 * seconds), size=100)
        for case in ("32 px", "128 px")
        for block, seconds in SECONDS.items()
    ]
    return results(records, suite="system-cost", target="fc")


def hostile() -> Results:
    return results(
        default_records({HOSTILE: ACCURACY["fog"], "a|b*c`": ACCURACY["frost"]}), data=HOSTILE, weights=HOSTILE
    )


MADE: Mapping[str, Results] = {
    "quick": quick(),
    "motivation": motivation(),
    "large": large(),
    "system-cost": system_cost(),
    "botta": every_scenario(),
    "hostile": hostile(),
    "empty": results([]),
}


@pytest.mark.parametrize("name", ["quick", "motivation", "large", "system-cost", "botta"])
def test_tables_are_whole_on_a_narrow_terminal(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No line is longer than 80 columns, and every line of every cell stands in one line of the output."""
    for module in ("tbft_edge.console", report.__name__):
        monkeypatch.setattr(f"{module}.output_width", lambda: NARROW)
    print_results(MADE[name])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= NARROW
    for section in summarize(MADE[name]).sections:
        for exhibit in section.exhibits:
            for label, *cells in exhibit.table.rows:
                first, figures = label.split("\n")[0], [cell.split("\n")[0] for cell in cells]
                pattern = r"\s+".join(map(re.escape, [first, *figures])) + r"\s*"
                assert any(re.fullmatch(pattern, line) for line in lines), (first, figures)


def test_verdicts_come_first_and_remarks_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    print_results(quick())
    printed = capsys.readouterr()
    assert printed.out.index("✗ does not hold: Our defaults") < printed.out.index("Accuracy in per cent")
    assert "Energy: unavailable" in printed.err


@pytest.mark.parametrize("name", MADE)
def test_pages_have_no_script_and_request_nothing(name: str) -> None:
    page = read_page(results_page(MADE[name]))
    assert not {tag for tag, _ in page.attributes} & {"script", "img", "iframe", "object", "link"}
    for _, attributes in page.attributes:
        assert not {"src", "href", "onload", "onclick"} & attributes.keys()
    policies = [attributes.get("content") for tag, attributes in page.attributes if tag == "meta"]
    assert any(policy and policy.startswith("default-src 'none'") for policy in policies)


def test_the_page_says_verdicts_tables_charts_and_where_from_in_this_order() -> None:
    page = read_page(results_page(quick()))
    assert page.all("h2") == [
        "What the results say",
        "Accuracy",
        "Drift by drift",
        "Pair by pair",
        "Cost",
        "Charts",
        "Where it comes from",
    ]
    for exhibit in (each for section in summarize(quick()).sections for each in section.exhibits):
        assert exhibit.table.title in page.body
    assert "device, our defaults70.0 ± 10.060.0 ± 10.060.0 ± 10.6" in page.body
    for words in ("photos.npz", "net.pth", "abacus, 2 cores; 2 jobs", "onnxruntime 1.22, torch 2.0", "1,500"):
        assert words in page.body


def test_charts_say_in_words_what_they_show() -> None:
    labels = [attributes.get("aria-label") or "" for tag, attributes in read_page(results_page(quick())).attributes]
    by_block = next(label for label in labels if label.startswith("Accuracy by block"))
    assert "Block 1: 20.0% before, 70.0% after" in by_block
    by_drift = next(label for label in labels if label.startswith("Accuracy by drift"))
    assert "frost: 20.0% before, 60.0% after" in by_drift
    assert any(label.startswith("Time saved") and "FC: 90.0%" in label for label in labels)


def test_a_block_that_costs_more_than_full_saves_less_than_nothing() -> None:
    records = [
        record("fog", "default", "fc", outcome(0.5, 150.0)),
        record("fog", "default", "full", outcome(0.5, 100.0)),
    ]
    assert "FC: -50.0%" in results_page(results(records))


def test_names_of_strangers_are_text() -> None:
    assert "<script" not in results_page(hostile())
    assert HOSTILE in read_page(results_page(hostile())).body
    text = markdown_page([hostile()])
    assert not re.search(r"(?<!\\)<script", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    assert r"a\|b\*c\`" in text


def test_markdown_begins_with_what_falls_short() -> None:
    text = markdown_page([quick(), system_cost()])
    short, _, rest = text.partition("## What else was asked")
    assert "cifar10-c, preset quick: Our defaults are at least as accurate" in short
    assert "-1.0 points: falls short" in short
    assert "system-cost, preset quick: Block 1, 2, 3 and FC save" in rest
    assert "| device, our defaults | 70.0 ± 10.0 |" in rest
    nothing = markdown_page([system_cost()])
    assert "## What falls short\n\nNothing." in nothing


def test_markdown_says_what_makes_it_and_which_photos_these_are() -> None:
    made = results(quick().records, data="cifar10_jpeg_test.npz (12)", weights="my net.pth (34)")
    assert command(made) == (
        "tbft-edge reproduce cifar10-c --preset quick --data cifar10_jpeg_test.npz --weights 'my net.pth' --out results"
    )
    assert command(system_cost()) == "tbft-edge reproduce system-cost --preset quick --out results"
    trained = msgspec.structs.replace(made, weights="trained on images.npz (12ab)")
    assert " --train-source images.npz --out" in command(trained)
    assert command(made) in markdown_page([made])
    assert "went through JPEG" in markdown_page([made])
    assert "went through JPEG" not in markdown_page([quick()])


def test_the_committed_page_is_written_from_files(tmp_path: Path) -> None:
    for name in ("quick", "system-cost"):
        write_results(MADE[name], tmp_path / f"{name}.json")
    reproduction_page.write([tmp_path / "quick.json", tmp_path / "system-cost.json"], tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == markdown_page([quick(), system_cost()])


def test_a_page_of_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("{}")
    for files in ([], [tmp_path / "no.json"]):
        with pytest.raises(TbftError):
            reproduction_page.write(files, tmp_path / "page.md")
    assert not (tmp_path / "page.md").exists()


def test_a_browser_shows_the_page_whole(tmp_path: Path) -> None:
    """Nothing is loaded or complained of, and nothing sticks out, on a phone, a desktop and paper."""
    browser = find_chromium()
    if browser is None:
        pytest.skip("no page was opened: Chromium is not installed here (make browser)")
    chromium = Chromium.start(browser, tmp_path / "chromium")
    try:
        for name in ("quick", "large"):
            page = write_page(MADE[name], tmp_path / f"{name}.html")
            for width, media in ((360, "screen"), (1200, "screen"), (690, "print")):
                chromium.open(page, width=width, media=media)
                assert chromium.requests() == [page.as_uri()]
                assert chromium.complaints() == []
                assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    finally:
        chromium.stop()
