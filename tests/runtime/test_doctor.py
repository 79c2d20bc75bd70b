"""What the doctor says of boards, from trees and commands that look like theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.bundles import compiled
from support.fake_meters import fake_board, write_tree
from support.meter_trees import PI5_RAILS, add_domain
from tbft_artifacts.bundle import open_bundle
from tbft_runtime.doctor import Check, examine
from tbft_runtime.doctor.checks import _disk, check_machine, check_onnxruntime, check_python


def _by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


PI4_FILES = {
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.5\0",
    "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\n",
    "proc/meminfo": "MemTotal:        3884348 kB\nMemAvailable:    3012340 kB\n",
    "sys/class/thermal/thermal_zone0/temp": "48686\n",
}


def test_a_raspberry_pi_4_senses_no_current_and_is_cool(tmp_path: Path) -> None:
    """There is only an estimate for it: that is said, and nothing else is wrong."""
    found = _by_name(
        examine(None, tmp_path, fake_board(write_tree(tmp_path, PI4_FILES), get_throttled="throttled=0x0"))
    )
    assert found["board"].text == "Raspberry Pi 4 Model B Rev 1.5"
    assert found["CPU features"].text == "NEON"
    assert found["temperature"].text == "48.7 °C"
    assert found["throttling"].ok is True
    assert found["meter pmic"].text == "this board senses no current"
    assert found["meter estimate"].text.startswith("available: an estimate for Raspberry Pi 4 Model B")


def test_every_meter_is_there_or_says_why_not(tmp_path: Path) -> None:
    """The Pi 5's power chip, and RAPL; there is no sensor, and a hint says how one comes."""
    add_domain(tmp_path, "0", "package-0", 1)
    found = _by_name(examine(None, tmp_path, fake_board(tmp_path, pmic_read_adc=PI5_RAILS)))
    assert found["meter pmic"].text.startswith("available: the 12 rails")
    assert found["meter rapl"].text.startswith("available: the processor")
    assert "no current monitor" in found["meter hwmon"].text
    assert "ina219" in found["meter hwmon"].hint
    assert "`meter` line:PORT" in found["meter line"].text
    assert all(check.ok is None for name, check in found.items() if name.startswith("meter "))


@pytest.mark.parametrize(
    ("printed", "ok", "words"),
    [
        ("throttled=0x0", True, "not now"),
        ("throttled=0x50000", True, "since it started: under-voltage, throttled"),
        ("throttled=0x50005", False, "now: under-voltage, throttled"),
        ("error=1 error_msg", None, "unavailable"),
    ],
)
def test_throttling_bits(tmp_path: Path, printed: str, ok: bool | None, words: str) -> None:
    """What holds now is a no; what held once is only said; garbage is no answer."""
    check = _by_name(examine(None, tmp_path, fake_board(tmp_path, get_throttled=printed)))["throttling"]
    assert check.ok is ok
    assert words in check.text


def test_an_empty_tree_answers_unknown_and_never_fails(tmp_path: Path) -> None:
    """A container shows little of its board; that is no reason to say no."""
    found = _by_name(examine(None, tmp_path, fake_board(tmp_path)))
    assert found["memory"].text == "unknown"
    assert found["temperature"].text == "unavailable"
    assert found["board"].text == "unknown"


def test_too_little_memory_for_a_bundle_is_a_no_with_a_hint(tmp_path: Path) -> None:
    """What the bundle needs is held against what is available."""
    files = PI4_FILES | {"proc/meminfo": "MemTotal: 100000 kB\nMemAvailable: 20000 kB\n"}
    bundle = open_bundle(compiled("full-batch"))
    check = _by_name(examine(bundle, tmp_path, fake_board(write_tree(tmp_path, files))))["memory"]
    assert check.ok is False
    assert "full-batch-adam needs about" in check.text
    assert "a PNG picture of 12 megapixels 160 MB to be read" in check.text
    assert "`batch_size`" in check.hint


@pytest.mark.parametrize(
    ("machine", "largest", "ok"),
    [
        ("aarch64", 2**63 - 1, True),
        ("armv7l", 2**31 - 1, False),
        ("aarch64", 2**31 - 1, False),
        ("riscv64", 2**63 - 1, False),
    ],
)
def test_only_64_bit_machines_with_a_wheel_pass(machine: str, largest: int, ok: bool) -> None:
    """A 32-bit Python on a 64-bit kernel is 32-bit, too."""
    check = check_machine(machine, largest)
    assert check.ok is ok
    assert bool(check.hint) is not ok


@pytest.mark.parametrize(("version", "ok"), [((3, 10), False), ((3, 11), True), ((3, 13), True), ((3, 14), False)])
def test_python_versions(version: tuple[int, int], ok: bool) -> None:
    """The device packages have wheels for these."""
    assert check_python(version).ok is ok


def test_an_illegal_instruction_becomes_a_sentence_with_a_version_that_works() -> None:
    """The probe dies in its own process; the doctor lives to tell."""
    probe = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGILL)"]
    (check,) = check_onnxruntime(probe)
    assert check.ok is False
    assert "instruction" in check.text
    assert "1.31.1" in check.hint


def test_a_broken_onnxruntime_is_named() -> None:
    """The last line of its error is shown."""
    (check,) = check_onnxruntime([sys.executable, "-c", "raise ImportError('libgomp.so.1 is missing')"])
    assert check.ok is False
    assert "libgomp.so.1 is missing" in check.text


def test_a_probe_that_cannot_be_started_is_told_from_one_that_fails(tmp_path: Path) -> None:
    """A program for another processor, as where ARM is emulated: the start failed, and nothing of ONNX Runtime."""
    program = tmp_path / "python"
    program.write_bytes(b"\x7fELF of another machine")
    program.chmod(0o755)
    (check,) = check_onnxruntime([str(program), "-m", "tbft_runtime.doctor.probe"])
    assert check.ok is False
    assert f"{program}) could not be started: Exec format error" in check.text
    assert str(program) in check.hint


def test_the_real_probe_runs_a_convolution_with_telemetry_off() -> None:
    """On this machine, too."""
    checks = check_onnxruntime([sys.executable, "-m", "tbft_runtime.doctor.probe"])
    assert [check.ok for check in checks] == [True, True]


def test_the_command_survives_an_onnxruntime_that_kills_it(tmp_path: Path) -> None:
    """A wheel for another CPU dies at import; the command has to tell, so it must not import it itself."""
    (tmp_path / "onnxruntime.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")
    done = subprocess.run(
        [sys.executable, "-m", "tbft_edge", "doctor"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "✗ ONNX Runtime: it uses an instruction that this CPU does not have" in done.stdout


def test_a_disk_that_cannot_be_written_is_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read-only, not this user's, or no folder: said of the place of a run, and of no other one."""
    (tmp_path / "file").touch()
    answers = [_disk(tmp_path / "file", None)]
    monkeypatch.setattr("tbft_runtime.doctor.checks.os.access", lambda *_: False)
    answers.append(_disk(tmp_path / "run", None))
    real = os.statvfs(tmp_path)
    read_only = os.statvfs_result([*real[:8], real.f_flag | os.ST_RDONLY, *real[9:]])
    monkeypatch.setattr("tbft_runtime.doctor.checks.os.statvfs", lambda _: read_only)
    answers.append(_disk(tmp_path / "run", None))
    for answer, why in zip(answers, ("no folder", "may not", "read-only"), strict=True):
        assert answer.ok is False
        assert why in answer.text
        assert "`out`" in answer.hint
    assert _disk(None, None).ok is None
