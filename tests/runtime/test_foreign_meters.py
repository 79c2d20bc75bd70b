"""The meter of another package is a meter like ours, and what is wrong with it ends no run and hides no other."""

from __future__ import annotations

import importlib.metadata
import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.meter_trees import PI5_RAILS, board, board_called
from support.packages import lay_out, pyproject
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plugins import PluginError
from tbft_runtime.board.access import Board
from tbft_runtime.doctor import examine
from tbft_runtime.energy.metering import Metering
from tbft_runtime.meters.meter import Meter, MeterError, UnavailableError
from tbft_runtime.meters.registry import METERS, choose, survey

LAMP = """
import sys, time
from tbft_runtime.meters.meter import MeterKind, Sample, Source, UnavailableError

class LampMeter:
    measures, hertz, idle_watts = "watts", 50.0, None
    def __init__(self, socket): self.source = Source(meter="lamp", type="sensor", scope=f"the lamp in {socket}")
    def start(self): pass
    def sample(self): return [Sample(time.perf_counter(), 40.0)]
    def stop(self): pass

def find(board, argument):
    if argument == "attic":
        raise UnavailableError("there is no lamp in the attic", "buy one")
    return LampMeter(argument or "the kitchen")

KIND = MeterKind("lamp", argument="ROOM", needs_argument=False, automatic=True, find=find)
"""
# What an author may get wrong in the code above: what stands there, what instead, and words of the error.
MISTAKES = {
    "no kind": ('MeterKind("lamp"', 'dict(name="lamp"', "not a MeterKind"),
    "another name": ('MeterKind("lamp"', 'MeterKind("bulb"', "another name: 'bulb'"),
    "no meter": ("return LampMeter(", "return print(", "its meter has no start()"),
    "no sample": ("def sample(", "def samples(", "its meter has no sample()"),
    "no rate": (", 50.0,", ", 0.0,", "`$.hertz`"),
    "no unit": ('"watts", 50.0', '"volts", 50.0', "volts"),
    "no such type": ('"sensor"', '"guess"', "guess"),
    "a name of ours": ('meter="lamp"', 'meter="rapl"', "'rapl', which is another meter"),
    "an error": ("return LampMeter(", "return Lamp(", "NameError"),
    "an exit": ("return LampMeter(", "return sys.exit(", "SystemExit"),
    "no argument": ("find(board, argument)", "find(board)", "TypeError"),
}
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Have a package with this code installed."""

    def install(code: str, entry: str = "lamp_meter:KIND") -> None:
        place = tmp_path / "packages"
        lay_out(place, pyproject("lamp-meter", "1.2", meters={"lamp": entry}), {"lamp_meter": code})
        monkeypatch.syspath_prepend(place)
        monkeypatch.delitem(sys.modules, "lamp_meter", raising=False)

    return install


def taken(name: str, place: Path | Board) -> Meter:
    meter = choose(name, place if isinstance(place, Board) else board(place)).meter
    assert meter is not None
    return meter


@pytest.mark.parametrize("entry", ["lamp_meter:KIND", "lamp_meter"])
def test_it_is_named_like_one_of_ours(install: Install, tmp_path: Path, entry: str) -> None:
    """With and without an argument; its own refusal is what the user reads."""
    install(LAMP, entry)
    assert taken("lamp", tmp_path).source.scope == "the lamp in the kitchen"
    assert taken("lamp:hall", tmp_path).source.scope == "the lamp in hall"
    with pytest.raises(UnavailableError, match="no lamp in the attic"):
        choose("lamp:attic", board(tmp_path))


def test_its_joules_are_counted(install: Install, tmp_path: Path) -> None:
    """By the thread that reads ours."""
    install(LAMP)
    with Metering(board(tmp_path), taken("lamp", tmp_path), idle_seconds=0.2) as metering:
        metering.measure_idle(lambda _: None)
    assert metering.idle_watts == pytest.approx(40)


def test_auto_takes_none_of_another_package(install: Install, tmp_path: Path) -> None:
    """Installing one does not change what a run is measured by, whatever its KIND says; its code is not imported."""
    install(LAMP)
    assert choose("auto", board(tmp_path)).meter is None
    assert taken("auto", board_called(tmp_path, "Raspberry Pi 4 Model B Rev 1.5")).source.meter == "estimate"
    assert "lamp_meter" not in sys.modules


def test_a_name_of_ours_looks_for_nothing_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the list of packages takes a Pi a moment, which no run by our meters has to wait."""
    monkeypatch.setattr(importlib.metadata, "distributions", None)
    for name in ("auto", "none", "pmic"):
        choose(name, board(tmp_path, PI5_RAILS))
    with pytest.raises(TypeError):
        choose("lamp", board(tmp_path))


def test_the_survey_ends_with_it_and_says_whose_it_is(install: Install, tmp_path: Path) -> None:
    """As the doctor shows it."""
    install(LAMP)
    found = survey(board(tmp_path))
    assert [finding.name for finding in found] == [*(kind.name for kind in METERS), "lamp"]
    assert found[-1].origin == "lamp-meter 1.2"
    assert not any(finding.origin for finding in found[:-1])
    check = examine(None, tmp_path, board(tmp_path))[-1]
    assert (check.name, check.ok) == ("meter lamp", None)
    assert check.text == "from lamp-meter 1.2; available: the lamp in the kitchen"


def test_a_hint_at_what_may_be_named_has_it(install: Install, tmp_path: Path) -> None:
    """A typing error is told the right name, also of a meter that is not ours."""
    install(LAMP)
    with pytest.raises(TbftError) as caught:
        choose("lmap", board(tmp_path))
    assert caught.value.hint.endswith("line:PORT, lamp")


def test_what_it_needs_or_takes_is_asked_of_it_like_of_ours(install: Install, tmp_path: Path) -> None:
    """By what its KIND says."""
    install(LAMP.replace("needs_argument=False", "needs_argument=True"))
    with pytest.raises(TbftError) as caught:
        choose("lamp", board(tmp_path))
    assert caught.value.hint == "use `meter` lamp:ROOM"
    assert survey(board(tmp_path))[-1].why == "taken when it is named: `meter` lamp:ROOM"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_broken_one_is_named_with_its_package(install: Install, tmp_path: Path, mistake: str) -> None:
    """Where it was asked for that ends the command; the survey goes on."""
    right, wrong, words = MISTAKES[mistake]
    assert right in LAMP
    install(LAMP.replace(right, wrong))
    with pytest.raises(PluginError) as caught:
        choose("lamp", board(tmp_path))
    assert caught.value.message.startswith("the meter 'lamp' of lamp-meter 1.2 cannot be used: ")
    assert words in caught.value.reason
    finding = survey(board(tmp_path))[-1]
    assert (finding.name, finding.meter) == ("lamp", None)
    assert finding.why == f"cannot be used: {caught.value.reason}"
    assert finding.hint == "update or uninstall lamp-meter"


def test_an_error_of_its_own_that_is_meant_for_the_user_ends_no_survey(install: Install, tmp_path: Path) -> None:
    """Such as one about its settings."""
    raising = "from tbft_artifacts.errors import TbftError; raise TbftError('no', 'yes') #"
    install(LAMP.replace("return LampMeter(", raising))
    finding = survey(board(tmp_path))[-1]
    assert (finding.why, finding.hint, finding.origin) == ("no", "yes", "lamp-meter 1.2")


@pytest.mark.parametrize(
    "wrong", ["1 / 0", "sys.exit()", "[3]", "None", "[Sample(0.0, float('nan'))]", "[Sample('a', 1)]"]
)
def test_a_reading_that_goes_wrong_is_a_failed_reading(install: Install, tmp_path: Path, wrong: str) -> None:
    """Whatever it raises or returns: the thread that reads it lives on, and so does the run."""
    install(LAMP.replace("[Sample(time.perf_counter(), 40.0)]", wrong))
    meter = taken("lamp", tmp_path)
    with pytest.raises(MeterError):
        meter.sample()
    with Metering(board(tmp_path), meter, idle_seconds=0.1) as metering:
        metering.measure_idle(lambda _: None)
        energy = metering.energy(-math.inf, math.inf)
    assert energy is not None
    assert energy.samples == 0
    assert energy.failed > 0
    assert metering.problem


def test_one_that_cannot_start_is_named_and_one_that_cannot_stop_spoils_nothing(
    install: Install, tmp_path: Path
) -> None:
    """A run that is over has its results."""
    code = LAMP.replace("def start(self): pass", "def start(self): 1 / 0")
    install(code.replace("def stop(self): pass", "def stop(self): sys.exit()"))
    meter = taken("lamp", tmp_path)
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        meter.start()
    meter.stop()
