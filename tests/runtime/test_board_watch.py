"""How a board was: from trees that look like a Raspberry Pi's and a host's, and commands that answer as theirs do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.fake_meters import fake_board, write_tree
from tbft_runtime.board.access import Board, run_command
from tbft_runtime.board.throttling import throttling
from tbft_runtime.board.watch import BoardWatch, identify

CPU0 = "sys/devices/system/cpu/cpu0/cpufreq"
PI5 = {
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd\nCPU part\t: 0xd0b\n",
    "proc/meminfo": "MemTotal:        8245296 kB\nMemAvailable:    7012340 kB\n",
    "proc/stat": "cpu  1000 0 500 90000 100 0 10 0 0 0\ncpu0 1 1 1 1\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "55100\n",
    f"{CPU0}/scaling_cur_freq": "2400000\n",
    f"{CPU0}/scaling_governor": "ondemand\n",
}


class Firmware:
    """Answers `vcgencmd get_throttled` with one value after the other; the last one stays."""

    def __init__(self, *values: str) -> None:
        self.values = list(values)

    def __call__(self, command: Sequence[str]) -> str | None:
        if list(command) != ["vcgencmd", "get_throttled"]:
            return None
        return f"throttled={self.values.pop(0) if len(self.values) > 1 else self.values[0]}"


def test_a_raspberry_pi_5_tells_everything(tmp_path: Path) -> None:
    state = BoardWatch(fake_board(write_tree(tmp_path, PI5), get_throttled="throttled=0x0")).before
    assert (state.celsius, state.megahertz, state.governor) == (55.1, 2400, "ondemand")
    assert (state.throttled, state.throttled_before) == ((), ())
    assert state.available_bytes == 7012340 * 1024


def test_a_board_that_tells_nothing_is_unknown(tmp_path: Path) -> None:
    """None, never 0: a container without sysfs is no board at 0 degrees."""
    summary = BoardWatch(fake_board(tmp_path)).summary()
    assert summary.identity.model == "unknown"
    values = (summary.hottest_celsius, summary.slowest_megahertz, summary.throttled, summary.other_load)
    assert values == (None, None, None, None)


@pytest.mark.parametrize("garbage", ["", "n/a\n", "\0\0", "12 34\n"])
def test_garbage_is_unknown(tmp_path: Path, garbage: str) -> None:
    files = {name: garbage for name in PI5 if name.startswith(("sys", "proc/stat", "proc/meminfo"))}
    state = BoardWatch(fake_board(write_tree(tmp_path, files), get_throttled="error=1")).before
    assert (state.celsius, state.megahertz, state.throttled, state.available_bytes) == (None,) * 4


def test_throttling_now_and_before() -> None:
    """Bits 0 to 3 hold now, bits 16 to 19 did since the board started (Raspberry Pi documentation)."""
    assert throttling(Board(Path("/"), Firmware("0x50005"))) == (("under-voltage", "throttled"),) * 2
    assert throttling(Board(Path("/"), Firmware("0x20000"))) == ((), ("frequency capped",))


def test_throttling_between_two_looks_is_noticed(tmp_path: Path) -> None:
    """It was not throttled at either look, but remembers at the second that it was in between."""
    root = write_tree(tmp_path, PI5)
    assert BoardWatch(Board(root, Firmware("0x0", "0x40000"))).summary().throttled == ("throttled",)


def test_old_throttling_is_not_held_against_a_run(tmp_path: Path) -> None:
    """What the board remembers of the time before the run says nothing about the run."""
    watch = BoardWatch(Board(write_tree(tmp_path, PI5), Firmware("0x50000")))
    assert watch.summary().throttled == ()


def test_throttling_during_a_run_is_kept(tmp_path: Path) -> None:
    """It was throttled at a look in the middle, and remembered that from before already."""
    watch = BoardWatch(Board(write_tree(tmp_path, PI5), Firmware("0x40000", "0x40004", "0x40000")))
    watch.look()
    assert watch.summary().throttled == ("throttled",)


def test_throttling_that_was_seen_is_kept(tmp_path: Path) -> None:
    """The firmware stops answering later in the run: that it was throttled stays true."""
    watch = BoardWatch(Board(write_tree(tmp_path, PI5), Firmware("0x0", "0x4", "error=1")))
    watch.look()
    assert watch.summary().throttled == ("throttled",)


def test_extremes_between_the_looks_count(tmp_path: Path) -> None:
    watch = BoardWatch(fake_board(write_tree(tmp_path, PI5)))
    write_tree(
        tmp_path,
        {"sys/class/thermal/thermal_zone0/temp": "84900\n", f"{CPU0}/scaling_cur_freq": "1500000\n"},
    )
    watch.look()
    write_tree(tmp_path, PI5)
    summary = watch.summary()
    assert (summary.hottest_celsius, summary.slowest_megahertz, summary.fastest_megahertz) == (84.9, 1500, 2400)
    assert summary.after.celsius == 55.1


def test_the_processors_own_zone_is_taken(tmp_path: Path) -> None:
    """Not the first zone, which may be a battery or a wireless card."""
    zones = {
        "sys/class/thermal/thermal_zone0/type": "iwlwifi_1\n",
        "sys/class/thermal/thermal_zone0/temp": "31000\n",
        "sys/class/thermal/thermal_zone1/type": "x86_pkg_temp\n",
        "sys/class/thermal/thermal_zone1/temp": "72000\n",
    }
    assert BoardWatch(fake_board(write_tree(tmp_path, zones))).before.celsius == 72


def test_other_processes_are_told_from_this_one(tmp_path: Path) -> None:
    """Two cores busy for others while this process sleeps: about two, whatever the clock says."""
    root = write_tree(tmp_path, PI5)
    watch = BoardWatch(fake_board(root))
    began = time.perf_counter()
    time.sleep(0.5)
    ticks = int(2 * (time.perf_counter() - began) * 100)
    write_tree(root, {"proc/stat": f"cpu  {1000 + ticks} 0 500 99999 100 0 10 0 0 0\n"})
    load = watch.look().other_load
    assert load == pytest.approx(2.0, rel=0.1)


def test_a_clock_that_does_not_count_says_nothing(tmp_path: Path) -> None:
    """Sandboxes that show zeros in /proc/stat do not know that nobody else computes."""
    watch = BoardWatch(fake_board(write_tree(tmp_path, PI5 | {"proc/stat": "cpu  0 0 0 0 0 0 0 0 0 0\n"})))
    time.sleep(0.05)
    assert watch.look().other_load is None


def test_commands_may_print_anything() -> None:
    """Bytes that are no text must not end a run."""
    assert run_command(["printf", r"\377\376"]) == "\N{REPLACEMENT CHARACTER}" * 2


def test_what_computes_differently_is_another_board(tmp_path: Path) -> None:
    """Model, processor and size of memory count; how much of it is free, or the clock, do not."""
    one = identify(fake_board(write_tree(tmp_path / "one", PI5)))
    changes = {"proc/meminfo": "MemTotal:        8245000 kB\nMemAvailable:    12 kB\n"}
    same = identify(fake_board(write_tree(tmp_path / "two", PI5 | changes)))
    smaller = {"proc/meminfo": "MemTotal:        4045296 kB\n"}
    other = identify(fake_board(write_tree(tmp_path / "three", PI5 | smaller)))
    assert one.key == same.key != other.key
    assert (one.model, one.memory_bytes) == ("Raspberry Pi 5 Model B Rev 1.0", 8245296 * 1024)
