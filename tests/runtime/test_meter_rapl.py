"""RAPL counters: what adds up is added once, also when a counter begins again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.meter_trees import add_domain, board, deny, set_number
from tbft_runtime.board.access import THIS_BOARD
from tbft_runtime.meters.meter import MeterError, UnavailableError
from tbft_runtime.meters.rapl import Domain, RaplMeter, find


def _joules(meter: RaplMeter) -> float:
    return meter.sample()[0].value


def _found(root: Path) -> RaplMeter:
    meter = find(board(root), None)
    assert isinstance(meter, RaplMeter)
    meter.start()
    return meter


def test_packages_and_memory_are_added_and_parts_are_not(tmp_path: Path) -> None:
    """Cores and graphics are part of their package; psys may contain anything; mmio shows a package twice."""
    package = add_domain(tmp_path, "0", "package-0", 5_000_000)
    memory = add_domain(tmp_path, "0:2", "dram", 1_000_000)
    parts = [add_domain(tmp_path, "0:0", "core", 1), add_domain(tmp_path, "0:1", "uncore", 1)]
    parts.append(add_domain(tmp_path, "1", "psys", 1))
    mmio = add_domain(tmp_path, "9", "package-0", 1)
    mmio.rename(mmio.with_name("intel-rapl-mmio:0"))
    meter = _found(tmp_path)
    set_number(package / "energy_uj", 7_000_000)
    set_number(memory / "energy_uj", 1_500_000)
    for part in parts:
        set_number(part / "energy_uj", 90_000_000)
    assert _joules(meter) == pytest.approx(2.5)
    assert meter.measures == "joules"
    assert meter.source.type == "counter"
    assert "package-0, dram" in meter.source.scope
    assert "the memory" not in meter.source.missing


def test_an_amd_processor(tmp_path: Path) -> None:
    """The same tree, without memory, which is then named as missing."""
    package = add_domain(tmp_path, "0", "package-0", 100, largest=65_532_610_987)
    add_domain(tmp_path, "0:0", "core", 50)
    meter = _found(tmp_path)
    set_number(package / "energy_uj", 1_000_100)
    assert _joules(meter) == pytest.approx(1)
    assert "the memory" in meter.source.missing


def test_it_counts_from_its_start(tmp_path: Path) -> None:
    """What the machine took before is not ours."""
    package = add_domain(tmp_path, "0", "package-0", 200_000_000_000)
    meter = _found(tmp_path)
    assert _joules(meter) == 0
    set_number(package / "energy_uj", 200_000_500_000)
    assert _joules(meter) == pytest.approx(0.5)
    assert _joules(meter) == pytest.approx(0.5)
    meter.start()
    assert _joules(meter) == 0


@given(
    st.integers(1, 1000),
    st.lists(st.tuples(st.integers(0, 999), st.integers(0, 999)), max_size=20),
)
def test_counters_that_begin_again_lose_nothing(largest: int, steps: list[tuple[int, int]]) -> None:
    """Two domains with different ranges, each beginning again whenever it must."""
    domains = [Domain("package-0", Path("a"), largest), Domain("package-1", Path("b"), 2 * largest)]
    total, before, counted = [0, 0], [0, 0], 0
    for step in steps:
        for index, domain in enumerate(domains):
            # Less than a whole range between two readings: more cannot be seen.
            total[index] += step[index] % domain.largest
            now = total[index] % domain.largest
            counted += domain.counted(before[index], now)
            before[index] = now
    assert counted == sum(total)


def test_a_counter_that_begins_again_in_the_tree(tmp_path: Path) -> None:
    """From 0.1 J before its largest figure to 0.2 J behind it."""
    first = add_domain(tmp_path, "0", "package-0", 262_143_228_850)
    add_domain(tmp_path, "1", "package-1", 7)
    meter = _found(tmp_path)
    set_number(first / "energy_uj", 200_000)
    assert _joules(meter) == pytest.approx(0.3)


def test_a_failed_reading_loses_no_energy(tmp_path: Path) -> None:
    """One domain cannot be read once: the next reading has what both counted meanwhile."""
    first, second = add_domain(tmp_path, "0", "package-0", 0), add_domain(tmp_path, "1", "package-1", 0)
    meter = _found(tmp_path)
    set_number(first / "energy_uj", 1_000_000)
    set_number(second / "energy_uj", "?")
    with pytest.raises(MeterError, match="no number"):
        meter.sample()
    set_number(second / "energy_uj", 2_000_000)
    assert _joules(meter) == pytest.approx(3)


def test_counters_that_vanish_fail_at_each_reading(tmp_path: Path) -> None:
    """The kernel module was removed."""
    package = add_domain(tmp_path, "0", "package-0", 0)
    meter = _found(tmp_path)
    shutil.rmtree(package)
    for _ in range(2):
        with pytest.raises(MeterError, match="cannot be read"):
            meter.sample()


def test_only_root_may_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on every Linux since 5.10: the hint says how to change that."""
    package = add_domain(tmp_path, "0", "package-0", 0)
    deny(monkeypatch, package / "energy_uj")
    with pytest.raises(UnavailableError, match="may not be read") as caught:
        find(board(tmp_path), None)
    assert "chmod" in caught.value.hint


@pytest.mark.parametrize("what", ["nothing", "psys", "garbage"])
def test_no_counters(tmp_path: Path, what: str) -> None:
    """A virtual machine; a board with psys alone; a tree that holds nonsense."""
    if what != "nothing":
        add_domain(tmp_path, "0", "psys" if what == "psys" else "package-0", 0)
    if what == "garbage":
        set_number(tmp_path / "sys/class/powercap/intel-rapl:0/max_energy_range_uj", "many")
    with pytest.raises(UnavailableError):
        find(board(tmp_path), None)


def test_the_real_counters_of_this_machine() -> None:
    """They only grow."""
    try:
        meter = find(THIS_BOARD, None)
    except UnavailableError as error:
        pytest.skip(f"this machine's RAPL counters are not used: {error.message}")
    meter.start()
    first, second = meter.sample()[0].value, meter.sample()[0].value
    assert 0 <= first <= second
    meter.stop()
