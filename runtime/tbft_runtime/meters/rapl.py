"""RAPL: the energy counters of x86 processors, Intel's and AMD's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tbft_runtime.board.access import Board
from tbft_runtime.meters.meter import Meter, MeterError, MeterKind, Sample, Source, UnavailableError
from tbft_runtime.meters.sysfs import DeniedError, read_number, read_text

_MICRO = 1e-6


@dataclass(frozen=True)
class Domain:
    """A counter in microjoules that begins again at 0 after `largest`."""

    name: str
    file: Path
    largest: int

    def counted(self, before: int, now: int) -> int:
        """Microjoules between two readings, of which the later may have begun again, once."""
        return now - before if now >= before else now + self.largest - before


class RaplMeter:
    """Packages, and memory where it has a counter of its own."""

    measures: Literal["watts", "joules"] = "joules"
    hertz = 10.0
    idle_watts: float | None = None

    def __init__(self, domains: Sequence[Domain]) -> None:
        self._domains = domains
        self._before: list[int] = []
        self._microjoules = 0
        memory = any(domain.name == "dram" for domain in domains)
        self.source = Source(
            meter="rapl",
            type="counter",
            scope=f"the processor ({', '.join(domain.name for domain in domains)})",
            missing=(*(() if memory else ("the memory",)), "the rest of the machine: disks, network, power supply"),
            basis=("no accuracy is published; older processors model what they count from activity",),
        )

    def start(self) -> None:
        """Count from here. Raises UnavailableError."""
        try:
            self._before = self._read()
        except MeterError as error:
            raise _unavailable(error) from None
        self._microjoules = 0

    def sample(self) -> Sequence[Sample]:
        # All are read before any is counted: a failed reading must not lose what another domain counted.
        now = self._read()
        seconds = time.perf_counter()
        for domain, before, value in zip(self._domains, self._before, now, strict=True):
            self._microjoules += domain.counted(before, value)
        self._before = now
        return [Sample(seconds, self._microjoules * _MICRO)]

    def stop(self) -> None:
        """Nothing was kept open."""

    def _read(self) -> list[int]:
        return [read_number(domain.file) for domain in self._domains]


def find(board: Board, _argument: str | None) -> Meter:
    """All packages and memory domains, each read once. Raises UnavailableError."""
    try:
        domains = _domains(board)
        for domain in domains:
            read_number(domain.file)
    except MeterError as error:
        raise _unavailable(error) from None
    if not domains:
        raise UnavailableError(
            "the kernel shows no RAPL counters", "they are in x86 processors, and hidden in most VMs"
        )
    return RaplMeter(domains)


def _domains(board: Board) -> list[Domain]:
    """What adds up: cores and graphics are part of a package, and psys may contain everything or nothing.

    `intel-rapl-mmio` shows the same counters a second time and is left out by the pattern.
    """
    folders = sorted(board.root.glob("sys/class/powercap/intel-rapl:*"))
    named = [(read_text(folder / "name"), folder) for folder in folders]
    return [
        Domain(name, folder / "energy_uj", read_number(folder / "max_energy_range_uj"))
        for name, folder in named
        if name.startswith("package") or name == "dram"
    ]


def _unavailable(error: MeterError) -> UnavailableError:
    if isinstance(error, DeniedError):
        hint = "run as root, or: sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj (until the next boot)"
        return UnavailableError(str(error), hint)
    return UnavailableError(str(error), "see whether the kernel module intel_rapl_msr is loaded")


KIND = MeterKind(
    name="rapl",
    argument=None,
    needs_argument=False,
    automatic=True,
    find=find,
)
