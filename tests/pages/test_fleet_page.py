"""A fleet's page says what matters first, of three devices and of a thousand, in a browser and at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from support.chromium import Chromium
from support.hostile import EVIL, LONG, ODD, absurd, unseen
from support.html_text import Page, read_page
from support.looks import assert_whole
from support.made_up_fleets import made_up_status
from tbft_edge.pages.fleet_page import fleet_page
from tbft_edge.tables.fleet import device_table, status_lines
from tbft_edge.tables.table import cleaned
from tbft_fleet.host.status import Status

COUNTS = (0, 3, 50, 1000)
PHONE, DESKTOP = 360, 1280
# A second on a machine that does nothing else; the tests of others run beside these.
SECONDS = 3.0


@pytest.fixture(scope="module")
def statuses() -> Mapping[int, Status]:
    return {count: made_up_status(count) for count in COUNTS}


@pytest.fixture(scope="module")
def files(statuses: Mapping[int, Status], tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Path]:
    folder = tmp_path_factory.mktemp("fleets")
    for count, status in statuses.items():
        (folder / f"{count}.html").write_text(fleet_page(status))
    return {count: folder / f"{count}.html" for count in COUNTS}


@pytest.fixture(scope="module")
def hostile(statuses: Mapping[int, Status]) -> Status:
    """A fleet whose devices say what would do most harm, as far as a result may hold it."""
    words = (EVIL + ODD, LONG[:1000], "\N{RIGHT-TO-LEFT OVERRIDE}" * 1000)
    status = statuses[3]
    rows = [
        replace(row, plan=word, runtime=word, board=word, why=word)
        for row, word in zip(status.devices, words, strict=True)
    ]
    needs = [replace(need, words=word) for need, word in zip(status.needs * 3, words, strict=False)]
    rounds = [replace(found, plan=word, rule=word) for found, word in zip(status.rounds * 3, words, strict=True)]
    releases = [replace(status.releases[0], plan=word) for word in words]
    return replace(status, devices=tuple(rows), needs=tuple(needs), rounds=tuple(rounds), releases=tuple(releases))


def shown(status: Status) -> Page:
    return read_page(fleet_page(status))


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_at_once_and_asks_for_nothing(
    browser: Chromium, files: Mapping[int, Path], count: int, scheme: str
) -> None:
    """Whole on a phone and a desktop, as small as mail takes it."""
    for width in (PHONE, DESKTOP):
        began = time.perf_counter()
        browser.open(files[count], width=width, scheme=scheme)
        browser.evaluate("document.body.getBoundingClientRect().height")
        assert time.perf_counter() - began < SECONDS
        assert browser.requests() == [files[count].as_uri()]
        assert_whole(browser, width)
    assert files[count].stat().st_size < 2_000_000


def test_what_is_folded_up_is_whole_too(browser: Chromium, files: Mapping[int, Path]) -> None:
    browser.open(files[50], width=PHONE)
    browser.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert_whole(browser, PHONE)


def test_every_device_has_a_row(statuses: Mapping[int, Status]) -> None:
    """Those to look at come first, and of many the others are folded up."""
    for count in (3, 50, 1000):
        page = shown(statuses[count])
        names = [row for row in page.all("th") if row.startswith("pi-")]
        assert sum(row[:8] in {each.name for each in statuses[count].devices} for row in names) >= count
    folded = shown(statuses[1000]).all("summary")
    assert any(words.startswith("940 devices more, of which") for words in folded)
    assert not any(words.endswith("all as they should") for words in shown(statuses[50]).all("summary"))


def test_counts_and_needs_stand_first(statuses: Mapping[int, Status]) -> None:
    """How many run what they should, and whom a person has to look at, with the reason."""
    body = shown(statuses[1000]).body
    counts = statuses[1000].counts
    assert f"running their release{counts['running']}" in body
    for words in ("rolled back11", "Failed gates: 11", "drop failed: 12.5 points", "5 more", "timestamp expires"):
        assert words in body
    assert "Nothing." in shown(replace(statuses[3], needs=())).body


def test_a_row_says_what_is_known_and_no_more(statuses: Mapping[int, Status]) -> None:
    """A device of which nothing was heard has dashes, and no tick for a signature."""
    silent = next(row for row in statuses[1000].devices if not row.signed)
    text = next(row for row in shown(statuses[1000]).all("tr") if row.startswith(silent.name))
    assert text == f"{silent.name}{silent.group}silent–– → {silent.target}––––––––"
    known = next(row for row in statuses[50].devices if row.plan and row.accuracy_before)
    text = next(row for row in shown(statuses[50]).all("tr") if row.startswith(known.name))
    assert f"{known.accuracy_before:.1%} → {known.accuracy_after:.1%}" in text
    assert text.endswith("0.1.0✓")
    estimated = next(row for row in statuses[1000].devices if row.joules_are_estimated)
    text = next(row for row in shown(statuses[1000]).all("tr") if row.startswith(estimated.name))
    assert " J est." in text


def test_releases_and_rounds(statuses: Mapping[int, Status]) -> None:
    """How far the waves came, who is worst, and the merge against each alone."""
    status = statuses[1000]
    page = shown(status)
    assert f"50% open, which is {status.releases[0].reached} of 1,000 devices" in page.body
    assert status.releases[0].worst[0].device in page.body
    assert any(row.startswith("1 (2026-11-28 08:00 UTC)1 → 2output-frozen-sgdmean100141") for row in page.all("tr"))
    assert "2.6 kB of 1.5 MB" in page.body
    assert "late: pi-00006 by 1 round, pi-00013 by 1 round" in page.body
    assert "asked, and not in the merge: pi-away" in page.body
    assert "Nothing was released yet." in shown(replace(status, releases=(), rounds=())).body


def test_hostile_words_are_harmless(browser: Chromium, hostile: Status, tmp_path: Path) -> None:
    """On the page, where nothing runs and nothing is wider than its box, and on the terminal."""
    page = tmp_path / "hostile.html"
    page.write_text(fleet_page(hostile))
    assert unseen(page.read_text()) == []
    for width in (PHONE, DESKTOP):
        browser.open(page, width=width)
        assert_whole(browser, width)
    assert browser.evaluate("document.scripts.length") == 0
    table = cleaned(device_table(hostile))
    assert [cell for row in table.rows for cell in row if unseen(cell) or absurd(cell)] == []


def test_the_terminal_says_the_same(statuses: Mapping[int, Status]) -> None:
    """In lines that fit, however many there are."""
    lines = [*status_lines(statuses[1000])]
    assert lines[0].startswith("1,000 devices: ")
    assert "11 rolled back" in lines[0]
    assert "failed gates: 8 more" in lines
    assert any(line.startswith("release 3: porch, garage, barn: 50% open") for line in lines)
    assert any(line.startswith("round 1, release 1 → 2: 100 took part") for line in lines)
    assert len(lines) < 50
    table = device_table(statuses[1000])
    assert table.title == "Devices; 960 more are in --json and --html"
    assert table.rows[0][2] == "rolled back"
