"""Settings that every test shares, and data that many do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support.chromium import Chromium, find_chromium
from support.commands import Ended
from support.toys import save_squares
from tbft_edge.main import main

# No deadline: a slow machine is no defect. The same examples in every run: a red one can be repeated.
settings.register_profile("tbft-edge", deadline=None, derandomize=True)
settings.load_profile("tbft-edge")


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 labelled images; tests only read them."""
    return save_squares(tmp_path_factory.mktemp("squares") / "squares.npz")


@pytest.fixture(scope="session")
def more_squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 other images of the same kind."""
    return save_squares(tmp_path_factory.mktemp("squares") / "more.npz", 40, seed=1)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """`tbft-edge` in this process."""

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["tbft-edge", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    command = find_chromium()
    if command is None:
        pytest.skip("no page was opened: Chromium is not installed here (make browser)")
    chromium = Chromium.start(command, tmp_path_factory.mktemp("chromium"))
    yield chromium
    chromium.stop()
