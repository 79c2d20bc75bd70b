"""What the emulated tests share: the device runtime on an ARM CPU, or the reason why that is not possible here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tbft_edge.emulation.cpus import CPUS, Cpu
from tbft_edge.emulation.guest import UnavailableError, prepare_guest
from tbft_edge.emulation.qemu_user import QemuUser, qemu_user

CACHE = Path(__file__).parents[2] / "build" / "arm64"


@pytest.fixture(scope="session")
def emulator() -> QemuUser:
    try:
        return qemu_user(prepare_guest(CACHE), CACHE)
    except UnavailableError as reason:
        pytest.skip(f"nothing was run on emulated ARM: {reason}")


PARAMS = [pytest.param(cpu, marks=pytest.mark.long if name == "cortex-a76" else ()) for name, cpu in CPUS.items()]


@pytest.fixture(params=PARAMS, ids=CPUS.keys())
def cpu(request: pytest.FixtureRequest) -> Cpu:
    """Every emulated CPU in turn."""
    chosen: Cpu = request.param
    return chosen
