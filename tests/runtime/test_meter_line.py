"""Lines through a serial port, a pipe and standard input: never waiting, never mistaken for silence."""

from __future__ import annotations

import os
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.meter_trees import board
from tbft_runtime.meters.line import LineMeter, Port, find, parse_port
from tbft_runtime.meters.meter import MeterError, Sample, UnavailableError

# Stands for a training process whose standard input is the meter's output.
READ_STANDARD_INPUT = """
from pathlib import Path
from tbft_artifacts.errors import TbftError
from tbft_runtime.board.access import THIS_BOARD
from tbft_runtime.meters.line import find
from tbft_runtime.meters.meter import MeterError
try:
    meter = find(THIS_BOARD, "-")
    meter.start()
    print([sample.value for sample in meter.sample()], flush=True)
    while True:
        if samples := meter.sample():
            print([sample.value for sample in samples], flush=True)
except (TbftError, MeterError) as error:
    print(type(error).__name__, error)
"""


def _opened(path: str) -> LineMeter:
    meter = find(board(Path("/")), path)
    assert isinstance(meter, LineMeter)
    meter.start()
    return meter


def _soon(meter: LineMeter) -> list[Sample]:
    """What comes within a second: a terminal hands bytes over when it likes."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        if samples := list(meter.sample()):
            return samples
        time.sleep(0.001)
    return []


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "meter"
    os.mkfifo(path)
    return path


@pytest.fixture
def serial() -> Iterator[tuple[int, str]]:
    """The meter's end of a serial line, and the name of ours."""
    theirs, ours = os.openpty()
    yield theirs, os.ttyname(ours)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("/dev/ttyUSB0", Port("/dev/ttyUSB0", 115200)),
        ("/dev/ttyUSB0@9600", Port("/dev/ttyUSB0", 9600)),
        ("/tmp/me@home", Port("/tmp/me@home", 115200)),
        ("-", Port("-", 115200)),
    ],
)
def test_ports_and_speeds(text: str, port: Port) -> None:
    """An @ may be part of a name."""
    assert parse_port(text) == port


def test_a_serial_port(serial: tuple[int, str]) -> None:
    """Raw, at its speed; the line in whose middle we came is left out; nothing is waited for."""
    theirs, name = serial
    meter = _opened(f"{name}@9600")
    assert list(meter.sample()) == []
    os.write(theirs, b"34.5,4.5\r\n1235.5,4.6\r\n12")
    assert [sample.value for sample in _soon(meter)] == [4.6]
    os.write(theirs, b"36.5,4.7\n")
    (sample,) = _soon(meter)
    assert sample.value == 4.7
    assert sample.seconds <= time.perf_counter()
    watched = os.open(name, os.O_RDONLY | os.O_NOCTTY)
    modes = termios.tcgetattr(watched)
    os.close(watched)
    assert modes[4:6] == [termios.B9600, termios.B9600]
    assert not modes[3] & (termios.ICANON | termios.ECHO)
    meter.stop()


def test_a_serial_port_that_is_pulled_out() -> None:
    """That is no silence: each reading fails."""
    theirs, ours = os.openpty()
    meter = _opened(os.ttyname(ours))
    os.close(ours)
    os.close(theirs)
    for _ in range(2):
        with pytest.raises(MeterError, match="closed"):
            meter.sample()
    meter.stop()


def test_a_pipe_without_a_writer_does_not_hang(pipe: Path) -> None:
    """It says that nobody writes, until somebody does; and again when they are gone."""
    meter = _opened(str(pipe))
    with pytest.raises(MeterError, match="nothing writes to it"):
        meter.sample()
    with pipe.open("wb", buffering=0) as writer:
        assert list(meter.sample()) == []
        writer.write(b"1,4.5\n2,")
        assert [sample.value for sample in meter.sample()] == [4.5]
        assert list(meter.sample()) == []
        writer.write(b"4.6\n3,4.7\n")
    assert [sample.value for sample in meter.sample()] == [4.6, 4.7]
    with pytest.raises(MeterError, match="closed"):
        meter.sample()
    with pipe.open("wb", buffering=0) as writer:
        writer.write(b"0,5\n")
        assert [sample.value for sample in meter.sample()] == [5]
    meter.stop()


def test_garbage_is_counted(pipe: Path) -> None:
    """As at a wrong speed."""
    meter = _opened(str(pipe))
    with pipe.open("wb", buffering=0) as writer:
        writer.write(b"\xfe\x01\x80\n")
        with pytest.raises(MeterError, match="no lines"):
            meter.sample()
    assert meter.garbage == 1
    meter.stop()


def test_a_writer_without_end_is_read_up_to_a_bound() -> None:
    """A reading must come back."""
    meter = LineMeter(Port("/dev/zero", 115200))
    meter.start()
    assert list(meter.sample()) == []
    meter.stop()


def test_standard_input() -> None:
    """Lines that have come are read, and it is not waited for others."""
    process = subprocess.Popen(
        [sys.executable, "-c", READ_STANDARD_INPUT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "[]\n"
    process.stdin.write("1,4.5\n")
    process.stdin.flush()
    assert process.stdout.readline() == "[4.5]\n"
    process.stdin.close()
    assert process.stdout.read() == "MeterError - is closed: nothing writes to it\n"
    process.stdout.close()
    assert process.wait() == 0


def test_a_terminal_is_no_meter() -> None:
    """Whoever sits there would be measured by what they type."""
    theirs, ours = os.openpty()
    done = subprocess.run(
        [sys.executable, "-c", READ_STANDARD_INPUT], stdin=ours, capture_output=True, text=True, check=True
    )
    os.close(ours)
    os.close(theirs)
    assert done.stdout.startswith("UnavailableError standard input is a terminal")


def test_what_is_no_port(tmp_path: Path, serial: tuple[int, str]) -> None:
    """A log belongs to the other meter; speeds are those that ports have."""
    log = tmp_path / "log.csv"
    log.touch()
    with pytest.raises(UnavailableError) as caught:
        _opened(str(log))
    assert f"`meter` csv:{log}" in caught.value.hint
    for wrong, message in [
        (str(tmp_path), "neither"),
        (str(tmp_path / "none"), "No such file"),
        (f"{serial[1]}@12345", "12345 baud"),
        (f"{serial[1]}@0", "0 baud"),
    ]:
        with pytest.raises(UnavailableError, match=message):
            _opened(wrong)
