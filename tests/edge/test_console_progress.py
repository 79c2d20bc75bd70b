"""What people see while a run is in progress: bars that fit their terminal, and plain lines elsewhere."""

from __future__ import annotations

import inspect
import io
import re
import sys
import threading
from unittest.mock import Mock

import msgspec
import pytest

from support.made_up_reports import made_up_epoch, made_up_stretch
from tbft_edge.progress import ConsoleProgress
from tbft_runtime.energy.result import StretchEnergy, Vitals
from tbft_runtime.progress import Outline, Progress, Silent, Together
from tbft_runtime.run.epoch import Epoch

OUTLINE = Outline(run="runs/a", plan="feature-frozen-sgd", drift="feature", epochs=3)
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
MEASURED = Vitals(watts=5.14, joules=80.25, celsius=61.3, meter="pmic")
ESTIMATED = Vitals(watts=5.14, joules=80.25, meter="model", estimate=True)


def epoch(number: int, seconds: float = 100.0) -> Epoch:
    return made_up_epoch(number, seconds)


class Terminal(io.StringIO):
    """A terminal that remembers what was written to it."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """Every line that was drawn, without colours and movements of the cursor."""
        text = CONTROL.sub("", self.getvalue()).replace("\N{NO-BREAK SPACE}", " ")
        return [line for line in re.split(r"[\r\n]+", text) if line]

    def text(self) -> str:
        return "\n".join(self.lines())


def terminal(monkeypatch: pytest.MonkeyPatch, columns: int = 100) -> Terminal:
    found = Terminal()
    monkeypatch.setattr(sys, "stderr", found)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    return found


@pytest.mark.parametrize(
    ("vitals", "words"),
    [
        (Vitals(), ""),
        (MEASURED, ", 61 °C"),
        (ESTIMATED, ""),
        (Vitals(celsius=85, throttled=("frequency capped",)), ", 85 °C, throttled"),
        (Vitals(throttled=()), ""),
    ],
)
def test_a_log_has_a_line_per_epoch(
    vitals: Vitals, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what is known and nothing else, in plain text, also where the environment asks for colours."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with ConsoleProgress() as progress:
        progress.started(OUTLINE)
        progress.begin("epoch 1 of 3", 500)
        progress.vitals(vitals)
        for _ in range(500):
            progress.advance(1)
            progress.training(1, 0.5, 0.75)
        progress.epoch(epoch(1), 3, True)
        progress.note("a note")
    out, err = capsys.readouterr()
    line = f"epoch 1/3: loss 0.5000, validation loss 0.2500, accuracy 87.5%, 100.0 s{words}, best so far"
    assert err == f"{line}\na note\n"
    assert out == ""


@pytest.mark.parametrize(
    ("energy", "words"),
    [
        (made_up_stretch("sensor", covered=100.0), ", 5.0 W, 500.0 J"),
        (made_up_stretch("estimate", covered=100.0), ", ~5.0 W est., ~500.0 J est."),
        (made_up_stretch("sensor", covered=60.0), ""),
    ],
)
def test_an_epochs_joules_are_told_where_they_are_all_there(
    energy: StretchEnergy, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of the epoch itself; of an epoch whose samples are partly missing, or still under way, none."""
    with ConsoleProgress() as progress:
        progress.started(OUTLINE)
        progress.epoch(msgspec.structs.replace(epoch(1), energy=energy), 3, False)
    assert capsys.readouterr().err.endswith(f"100.0 s{words}\n")


def test_a_terminal_shows_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loss and accuracy of the epoch so far, watts, temperature, and images of the phase."""
    shown = terminal(monkeypatch)
    with ConsoleProgress() as progress:
        progress.begin("epoch 1 of 3", 320)
        progress.vitals(MEASURED)
        progress.advance(32)
        progress.training(32, 0.412, 0.912)
    assert "epoch 1 of 3 · loss 0.412 · 91.2% · 5.1 W · 61 °C" in shown.lines()
    assert " 32/320 " in shown.text()


def test_a_terminal_shows_nothing_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """No zero, no dash, no left-over of the epoch before."""
    shown = terminal(monkeypatch)
    with ConsoleProgress() as progress:
        progress.begin("epoch 1 of 3", 32)
        progress.training(32, 0.412, 0.912)
        progress.begin("evaluating", 32)
    assert "evaluating" in shown.lines()


def test_an_estimate_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never looks like a measurement."""
    shown = terminal(monkeypatch)
    with ConsoleProgress() as progress:
        progress.begin("epoch 1 of 3", 32)
        progress.vitals(ESTIMATED)
    assert "epoch 1 of 3 · ~5.1 W est." in shown.lines()


@pytest.mark.parametrize("columns", [30, 40, 60])
def test_a_narrow_terminal_breaks_between_figures(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is wider than the terminal, no figure is cut, and none is missing."""
    shown = terminal(monkeypatch, columns)
    with ConsoleProgress() as progress:
        progress.started(OUTLINE)
        progress.resumed([epoch(1)], 1)
        progress.begin("re-estimating batch-norm statistics", 12000)
        progress.vitals(ESTIMATED)
        progress.advance(10)
        progress.training(32, 0.412, 0.912)
        progress.vitals(Vitals(watts=5.14, celsius=61, throttled=("under-voltage",), meter="model", estimate=True))
    assert max(map(len, shown.lines())) <= columns
    for words in ("loss 0.412", "91.2%", "~5.1 W est.", "61 °C", "throttled", "at most 0:03:20 left", "10/12000"):
        assert words in shown.text()


def test_time_left_is_that_of_the_epochs_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their number times the mean so far, earlier parts of the run included; none is told at the end."""
    shown = terminal(monkeypatch)
    with ConsoleProgress() as progress:
        progress.started(Outline(run="r", plan="p", drift="input", epochs=4))
        progress.resumed([epoch(1, 3600)], 1)
        progress.epoch(epoch(2, 1800), 4, True)
        progress.begin("two left", 32)
    assert "two left · at most 1:30:00 left" in shown.lines()

    shown = terminal(monkeypatch)
    with ConsoleProgress() as progress:
        progress.started(Outline(run="r", plan="p", drift="input", epochs=1))
        progress.epoch(epoch(1), 1, True)
        progress.begin("at the end", 32)
    assert "at the end" in shown.lines()


def test_vitals_may_come_from_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """While bars are drawn, begin and advance."""
    shown = terminal(monkeypatch)
    with ConsoleProgress() as progress:

        def meter() -> None:
            for tenth in range(2000):
                progress.vitals(Vitals(watts=tenth / 10))

        thread = threading.Thread(target=meter)
        thread.start()
        for phase in range(50):
            progress.begin(f"phase {phase}", 10)
            for _ in range(10):
                progress.advance(1)
        thread.join()
    assert "phase 49 · 199.9 W" in shown.lines()
    assert " 10/10 " in shown.text()


METHODS = [name for name, _ in inspect.getmembers(Progress, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("method", METHODS)
def test_several_are_told_alike(method: str) -> None:
    """Everything that a `Progress` can be told reaches each of them, as it was said."""
    others = [Mock(spec=Silent), Mock(spec=Silent)]
    words = [object() for _ in list(inspect.signature(getattr(Progress, method)).parameters)[1:]]
    getattr(Together(*others), method)(*words)
    for other in others:
        getattr(other, method).assert_called_once_with(*words)
