"""A meter beside work: joules of stretches and phases, idle watts, gaps, late samples, and what measuring costs."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from support.fake_meters import FakeMeter, fake_board, write_tree
from tbft_runtime.board.access import Board
from tbft_runtime.energy.metering import Metering
from tbft_runtime.energy.parts import whole_cost
from tbft_runtime.energy.sampler import JITTER, LARGEST_SHARE, Sampler, Task
from tbft_runtime.energy.total import total
from tbft_runtime.timing import Lap

pytestmark = pytest.mark.alone

SWING = 2 * math.pi / 0.4


def silent(_: str) -> None: ...


@pytest.fixture
def metering(tmp_path: Path) -> Metering:
    """A steady meter of 5 W."""
    return Metering(fake_board(tmp_path), FakeMeter(), idle_seconds=0.2)


def test_a_real_thread_recovers_a_curve(tmp_path: Path) -> None:
    """6 + 2 sin: within 2 % after a second and a half at about 100 Hz, on a machine that does other things."""
    meter = FakeMeter(watts=lambda t: 6 + 2 * math.sin(SWING * t))
    with Metering(fake_board(tmp_path), meter) as metering:
        time.sleep(0.05)
        began = time.perf_counter()
        time.sleep(1.5)
        ended = time.perf_counter()
        metering.wait_for(time.perf_counter())
        energy = metering.energy(began, ended)
    a, b = began - meter.started, ended - meter.started
    expected = 6 * (b - a) + 2 / SWING * (math.cos(SWING * a) - math.cos(SWING * b))
    assert energy is not None
    assert energy.joules == pytest.approx(expected, rel=0.02)
    assert energy.covered_seconds == pytest.approx(ended - began, rel=0.1)
    assert energy.samples > 20
    assert meter.stopped


def test_phases_share_the_joules(metering: Metering) -> None:
    """Each phase gets what was drawn in its laps, however short and interleaved they are."""
    laps = []
    with metering:
        for index in range(100):
            began = time.perf_counter()
            time.sleep(0.002 if index % 2 else 0.004)
            laps.append(Lap("train" if index % 2 else "read", began, time.perf_counter()))
        metering.wait_for(time.perf_counter())
        times = metering.phase_times(laps)
    assert [phase.phase for phase in times] == ["read", "train"]
    for phase in times:
        assert phase.laps.count == 50
        assert phase.joules == pytest.approx(5 * phase.seconds, rel=1e-6)


def test_idle_watts_are_measured_before_and_subtracted(tmp_path: Path) -> None:
    """3 W while it sleeps, 8 W afterwards: 5 W net."""
    notes: list[str] = []
    meter = FakeMeter(watts=lambda t: 3.0 if t < 0.22 else 8.0)
    with Metering(fake_board(tmp_path), meter, idle_seconds=0.2) as metering:
        metering.measure_idle(notes.append)
        assert metering.idle_watts == pytest.approx(3.0, rel=0.1)
        time.sleep(0.05)
        began = time.perf_counter()
        time.sleep(0.3)
        ended = time.perf_counter()
        metering.wait_for(time.perf_counter())
        energy = total([(ended - began, metering.energy(began, ended))], "")
    assert energy.net_joules == pytest.approx(5 * (ended - began), rel=0.1)
    assert energy.joules == pytest.approx(8 * (ended - began), rel=1e-6)
    assert notes == ["measuring for 0.2 s what the idle board draws"]


def test_an_idle_board_that_is_not_idle_is_told(tmp_path: Path) -> None:
    """Something else keeps two cores busy while idle power is measured: what is subtracted is too much."""
    began = time.perf_counter()

    class Busy(Board):
        def read(self, path: str) -> str | None:
            ticks = int(2 * (time.perf_counter() - began) * 100)
            return f"cpu  {1000 + ticks} 0 500 99999 100 0 10 0 0 0" if path == "proc/stat" else super().read(path)

    notes: list[str] = []
    with Metering(Busy(tmp_path, lambda _: None), FakeMeter(), idle_seconds=1.6) as metering:
        metering.measure_idle(notes.append)
    assert len(notes) == 2
    assert "cores busy" in notes[1]


def test_a_known_idle_is_not_measured(tmp_path: Path) -> None:
    """An estimate knows its idle watts: nobody has to wait."""
    with Metering(fake_board(tmp_path), FakeMeter(idle_watts=2.5), idle_seconds=60) as metering:
        metering.measure_idle(silent)
        assert metering.idle_watts == 2.5


def test_a_meter_that_stops_covers_a_part(tmp_path: Path) -> None:
    """Joules are those of the covered part, and the reason is kept; nothing is extrapolated."""
    meter = FakeMeter(away=lambda t: t > 0.3)
    with Metering(fake_board(tmp_path), meter) as metering:
        began = meter.started
        time.sleep(0.9)
        ended = time.perf_counter()
        metering.wait_for(time.perf_counter())
        stretch = metering.energy(began, ended)
    energy = total([(ended - began, stretch)], "")
    assert 0.2 < energy.covered < 0.45
    assert energy.joules == pytest.approx(5 * energy.covered * (ended - began))
    assert energy.failed > 10
    assert metering.problem == "the fake meter is away"


def test_a_meter_that_never_answers_is_no_meter(tmp_path: Path) -> None:
    """No sample, no joules: unavailable with its reason, not 0."""
    with Metering(fake_board(tmp_path), FakeMeter(away=lambda _: True)) as metering:
        time.sleep(0.1)
        stretch = metering.energy(0, time.perf_counter())
    energy = total([(0.1, stretch)], metering.problem or "")
    assert energy.joules is energy.net_joules is energy.source is None
    assert energy.unavailable == "the fake meter is away"


def test_late_samples_are_waited_for(tmp_path: Path) -> None:
    """An external meter whose line takes 0.3 s still covers the last stretch; a dead one is not waited for long."""
    with Metering(fake_board(tmp_path), FakeMeter(late=0.3)) as metering:
        began = time.perf_counter()
        time.sleep(0.4)
        ended = time.perf_counter()
        assert not metering.is_settled(ended)
        metering.wait_for(ended)
        assert metering.is_settled(ended)
        energy = metering.energy(began, ended)
    assert energy is not None
    assert energy.covered_seconds == pytest.approx(ended - began, rel=0.1)


def test_without_a_meter_the_board_is_watched(tmp_path: Path) -> None:
    """Temperature and clock are there, watts and joules are not."""
    files = {
        "sys/class/thermal/thermal_zone0/temp": "51234\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
    }
    with Metering(fake_board(write_tree(tmp_path, files)), None) as metering:
        began = time.perf_counter()
        time.sleep(1.5)
        (seen,) = metering.telemetry(began, time.perf_counter())
        assert metering.energy(began, time.perf_counter()) is None
    assert (seen.watts, seen.celsius, seen.megahertz) == (None, 51.234, 1500)
    assert 0.5 < seen.seconds < 1.5


def test_measuring_says_what_it_costs(metering: Metering) -> None:
    """What its thread took of a core is counted, not assumed; how much that is, `make bench-metering` shows."""
    with metering:
        began = time.perf_counter()
        time.sleep(1.0)
        cost = whole_cost([metering.summary()])
        seconds = time.perf_counter() - began
    assert cost.cpu_seconds > 0
    assert cost.cpu_seconds == pytest.approx(cost.share * seconds, rel=0.2)


def burn() -> None:
    """What a command that reads a sensor costs: 10 ms of a core."""
    until = time.thread_time() + 0.01
    while time.thread_time() < until:
        pass


def test_short_epochs_do_not_make_a_meter_dear() -> None:
    """A reading is asked for at the end of every epoch: of one that costs 10 ms there is still one a second."""
    task = Task(burn, period=0.02)
    sampler = Sampler([task])
    began = time.perf_counter()
    sampler.start()
    for _ in range(30):
        time.sleep(0.01)
        sampler.now(task)
    sampler.stop()
    # A machine that does something else besides takes longer for the thirty epochs.
    assert 1 <= task.times <= 1 + int((time.perf_counter() - began) / (1 - JITTER))


def test_an_expensive_meter_is_read_less_often() -> None:
    """10 ms of a core per reading, 50 times a second, would be half a core: it is read about once a second."""
    task = Task(burn, period=0.02)
    sampler = Sampler([task])
    sampler.start()
    time.sleep(1.5)
    sampler.stop()
    assert 1 <= task.times <= 3
    assert task.cpu_seconds / task.times == pytest.approx(0.01, rel=0.5)
    assert LARGEST_SHARE == 0.01
