"""An estimate says that it is one, and where each of its figures is from."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from support.meter_trees import board, board_called
from tbft_artifacts.errors import TbftError
from tbft_runtime.meters.estimate import find
from tbft_runtime.meters.meter import UnavailableError
from tbft_runtime.meters.power_models import POWER_MODELS, model_of

OWN = '{"board": "My board", "idle_watts": 2, "core_watts": 1.5, "source": "my own USB meter"}'


@pytest.mark.parametrize(
    ("name", "idle", "loaded"),
    [
        ("Raspberry Pi 5 Model B Rev 1.0", 3.3, 9.8),
        ("Raspberry Pi 5 Model B Rev 1.1", 2.4, 8.9),
        ("Raspberry Pi 4 Model B Rev 1.5", 1.6, 5.0),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", 3.1, 5.6),
        ("Raspberry Pi 3 Model B Rev 1.2", 1.4, 3.7),
        ("Raspberry Pi Zero 2 W Rev 1.0", 0.5, 2.3),
    ],
)
def test_boards_are_known_by_their_device_tree(tmp_path: Path, name: str, idle: float, loaded: float) -> None:
    """Four busy cores draw what was measured with all of them busy."""
    model = model_of(board_called(tmp_path, name))
    assert model.idle_watts == idle
    assert model.idle_watts + 4 * model.core_watts == pytest.approx(loaded)


def test_every_figure_has_an_address() -> None:
    """Where whoever doubts it can look."""
    assert all("https://" in model.source and str(model.idle_watts) in model.source for model in POWER_MODELS)


@pytest.mark.parametrize("name", ["Raspberry Pi 400 Rev 1.0", "Raspberry Pi Compute Module 4 Rev 1.1", None])
def test_other_boards_are_not_guessed(tmp_path: Path, name: str | None) -> None:
    """A similar name is another board."""
    with pytest.raises(UnavailableError) as caught:
        find(board(tmp_path) if name is None else board_called(tmp_path, name), None)
    assert "estimate:FILE" in caught.value.hint


def test_joules_are_idle_time_and_cpu_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """10 s, of which this process kept two cores busy for 3 s each: 10 × 1.6 W + 6 × 0.85 W."""
    meter = find(board_called(tmp_path, "Raspberry Pi 4 Model B Rev 1.5"), None)
    clocks = {"wall": 100.0, "cpu": 7.0}
    monkeypatch.setattr(time, "perf_counter", lambda: clocks["wall"])
    monkeypatch.setattr(time, "process_time", lambda: clocks["cpu"])
    meter.start()
    assert meter.sample()[0].value == 0
    clocks.update(wall=110.0, cpu=13.0)
    (sample,) = meter.sample()
    assert sample.seconds == 110
    assert sample.value == pytest.approx(21.1)
    assert meter.idle_watts == 1.6


def test_this_process_draws_more_while_it_computes(tmp_path: Path) -> None:
    """With the real clocks: between idle and two busy cores."""
    file = tmp_path / "model.json"
    file.write_text(OWN)
    meter = find(board(tmp_path), str(file))
    meter.start()
    began = time.perf_counter()
    while time.perf_counter() < began + 0.2:
        sum(range(1000))
    (sample,) = meter.sample()
    watts = sample.value / (sample.seconds - began)
    assert 2 < watts < 2 + 2 * 1.5


def test_it_says_that_it_is_an_estimate(tmp_path: Path) -> None:
    """In its type, in its words, and with its source."""
    file = tmp_path / "model.json"
    file.write_text(OWN)
    source = find(board(tmp_path), str(file)).source
    assert source.type == "estimate"
    assert "estimate for My board" in source.scope
    assert source.uncertainty is None
    assert source.basis == ("2 W idle and 1.5 W for each busy core", "my own USB meter")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        ("{", "truncated"),
        (OWN.replace('"source": "my own USB meter"', '"author": "me"'), "author"),
        (OWN.replace(', "source": "my own USB meter"', ""), "source"),
        (OWN.replace("1.5", "-1"), "core_watts"),
        (OWN.replace("2,", '"two",'), "idle_watts"),
    ],
)
def test_a_bad_file_says_what_is_wrong(tmp_path: Path, content: str | None, words: str) -> None:
    """Which field, and what it should hold; a model without a source is refused."""
    file = tmp_path / "model.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(TbftError, match=words) as caught:
        find(board(tmp_path), str(file))
    assert "source" in caught.value.hint
