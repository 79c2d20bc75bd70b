"""What the documentation points at is there: pages, headings, files and modules."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from support.commands import ROOT
from support.markdown import anchors, blocks, links, snippets

PAGES = {str(path.relative_to(ROOT)): path for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))}
MAP = ROOT / "docs" / "index.md"
TOP = ("agent", "artifacts", "benchmarks", "demo", "docs", "export", "fleet", "runtime", "tbft_edge", "tests")
HALVES = (
    *("agent/tbft_agent", "artifacts/tbft_artifacts", "fleet/tbft_fleet"),
    *("runtime/tbft_runtime", "export/tbft_export"),
)
PACKAGES = [ROOT / name for name in HALVES]
# A page about a package may leave out where that lies.
PLACES = [ROOT, ROOT / "tbft_edge", *PACKAGES]
ROOTS = [ROOT, *(package.parent for package in PACKAGES)]
# Pages about the code, where every path is one of the house; elsewhere it may be a user's.
ABOUT_THE_HOUSE = re.compile(r"CONTRIBUTING\.md|docs/(adding-.*|compiler|runtime)\.md")
PATH = re.compile(r"[\w.-]+(/[\w.-]+)*/?")
MODULE = re.compile(r"\b(?:tbft_(?:agent|artifacts|edge|export|fleet|runtime)|benchmarks)(?:\.\w+)+")


def named_files(page: str) -> set[str]:
    """The files and folders of the house that a page names."""
    words = {word for word in snippets(PAGES[page].read_text()) if PATH.fullmatch(word)}
    if not ABOUT_THE_HOUSE.fullmatch(page):
        words = {word for word in words if word.endswith(".py") or word.partition("/")[0] in TOP}
    return {word for word in words if "/" in word or word.endswith(".py")}


def is_there(name: str) -> bool:
    """A path from the root or inside a package; a bare file name may be that of any file."""
    if "/" not in name:
        return any(any((ROOT / top).rglob(name)) for top in TOP)
    return any((place / name).exists() for place in PLACES)


def is_module(name: str) -> bool:
    """A module or package, or something in one."""
    parts = name.split(".")
    paths = [root.joinpath(*parts[:length]) for root in ROOTS for length in (len(parts), len(parts) - 1)]
    return any(path.with_suffix(".py").is_file() or (path / "__init__.py").is_file() for path in paths)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Also to a heading of another page, which changes its name more often than the page does."""
    broken = []
    for link in links(PAGES[page].read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = PAGES[page].parent / name if name else PAGES[page]
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES)
def test_files_and_modules_that_are_named_exist(page: str) -> None:
    """What moves takes its mentions along."""
    assert {name for name in named_files(page) if not is_there(name)} == set()
    text = PAGES[page].read_text()
    modules = MODULE.findall("\n".join([*snippets(text), *blocks(text, "python")]))
    assert {name for name in modules if not is_module(name)} == set()


def test_the_code_names_pages_that_exist() -> None:
    """In comments, docstrings and help."""
    sources = [ROOT / "Makefile", *(path for top in TOP for path in (ROOT / top).rglob("*.py"))]
    named = {name for path in sources for name in re.findall(r"\bdocs/[\w/-]+\.(?:md|json)\b", path.read_text())}
    assert len(named) > 3
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_map_has_every_page_once() -> None:
    """A page that is on no map is not found, and one that is there twice has no place."""
    targets = Counter((MAP.parent / link).resolve() for link in links(MAP.read_text()))
    pages = [path for path in PAGES.values() if path.is_relative_to(MAP.parent) and path != MAP]
    assert {str(path.relative_to(ROOT)): targets[path] for path in pages if targets[path] != 1} == {}
    assert MAP in {(ROOT / link).resolve() for link in links((ROOT / "README.md").read_text())}


def test_what_is_not_there_would_be_told() -> None:
    """The tests above can fail."""
    assert links("see [one](a.md#b), `[no](x.md)`\n```\n[no](y.md)\n```\n") == ["a.md#b"]
    assert anchors("# An `int8` prefix\n## Data\n# Data\n```\n# no\n```\n") == {"an-int8-prefix", "data", "data-1"}
    assert snippets("a `b/c.py`, `python -m\nd`\n| `e` |\n") == ["b/c.py", "python -m d", "e"]
    assert not is_there("export/tbft_export/nowhere.py")
    assert not is_there("nowhere.py")
    assert not is_module("tbft_runtime.nowhere.train")
    assert is_module("tbft_runtime.run.options.TrainOptions")
