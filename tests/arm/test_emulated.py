"""The device runtime on emulated Cortex-A72 and Cortex-A76: right numbers, little memory, steady cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from support.bundles import COMPILED
from support.toys import save_squares
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_edge.emulation.bench import MODULE, measure_here
from tbft_edge.emulation.cpus import CPUS, Cpu
from tbft_edge.emulation.qemu_user import QemuUser, spans
from tbft_runtime.measure import CACHED_MARKS, STEP_MARKS, WARM_UP

# A Raspberry Pi Zero 2 W has 512 MB; the emulator's own memory counts too.
PI_MEMORY = 512 << 20
WEIGHT_TOLERANCE = 1e-5
INSTRUCTION_TOLERANCE = 0.02
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a memory limit takes root")


def test_guest_has_no_host_packages(emulator: QemuUser, cpu: Cpu) -> None:
    """What runs on the board is the device half: no torch, no onnx, and a 64-bit ARM machine."""
    program = (
        "import importlib.util, json, platform;"
        "print(json.dumps([platform.machine(), [n for n in ('torch', 'onnx', 'tbft_export')"
        " if importlib.util.find_spec(n)]]))"
    )
    assert json.loads(emulator.run(["-c", program], cpu).stdout) == ["aarch64", []]


@pytest.mark.skipif(os.geteuid() != 0, reason="taking the network away takes root")
def test_guest_has_no_network(emulator: QemuUser) -> None:
    """The emulated process cannot reach anything, so nothing in these tests does."""
    program = "import socket; print([name for _, name in socket.if_nameindex()])"
    names = emulator.run(["-c", program], CPUS["cortex-a72"]).stdout
    assert "eth" not in names
    assert "en" not in names


@needs_root
@pytest.mark.parametrize("bundle", ["feature-frozen", "input-batch", "full-batch", "resnet8", "ds-cnn", "motion"])
def test_two_steps_end_in_the_hosts_weights(emulator: QemuUser, cpu: Cpu, bundle: str, tmp_path: Path) -> None:
    """Rounding may differ between CPUs; anything else would be a wrong kernel or a wrong instruction.

    MLPerf Tiny's ResNet-8 and DS-CNN, and a network along time, are those that such boards run.
    """
    opened = open_bundle(COMPILED / bundle)
    plan = opened.manifest.plans[-1]
    measure_here(opened, plan, 1, 4, tmp_path / "here.safetensors")
    request = {
        "bundle": str(opened.folder),
        "weights": str(tmp_path / "there.safetensors"),
        "plan": plan.id,
        "steps": 1,
    }
    emulator.run([*MODULE, json.dumps(request)], cpu, memory=PI_MEMORY)
    assert_same_weights(tmp_path / "there.safetensors", tmp_path / "here.safetensors")


def assert_same_weights(found: Path, expected: Path) -> None:
    there, here = load_file(found), load_file(expected)
    assert here.keys() == there.keys()
    for name, value in here.items():
        assert np.abs(there[name] - value).max() <= WEIGHT_TOLERANCE * np.abs(value).max(), name


@needs_root
@pytest.mark.parametrize("bundle", ["output-frozen", "input-batch"])
def test_two_steps_with_targets_end_in_the_hosts_weights(
    emulator: QemuUser, cpu: Cpu, bundle: str, tmp_path: Path
) -> None:
    """The loss of targets, and its gradient, are of operators of their own."""
    paths = {place: tmp_path / f"{place}.safetensors" for place in ("here", "there")}
    for place, path in paths.items():
        request = {"bundle": str(COMPILED / bundle), "weights": str(path), "steps": 1, "targets": True}
        arguments = [*MODULE, json.dumps(request)]
        if place == "there":
            emulator.run(arguments, cpu, memory=PI_MEMORY)
        else:
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    assert_same_weights(paths["there"], paths["here"])


@needs_root
@pytest.mark.parametrize("bundle", ["output-frozen", "feature-frozen"])
def test_fine_tuning_gives_the_hosts_predictions(emulator: QemuUser, cpu: Cpu, bundle: str, tmp_path: Path) -> None:
    """Two epochs on 64 images, finalized: the model says the same as one that was trained here."""
    data = save_squares(tmp_path / "squares.npz", 64)
    # An archive: the guest's Python 3.11.2 is older than tarfile's filters.
    archive = tmp_path / "bundle.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(COMPILED / bundle, ".")
    answers = {}
    for place in ("here", "there"):
        run, model = tmp_path / place, tmp_path / f"{place}.onnx"
        commands = [
            [
                "train",
                str(COMPILED / bundle),
                "--data",
                str(data),
                "--out",
                str(run),
                "--epochs",
                "2",
                "--threads",
                "1",
            ],
            ["finalize", str(run), "--out", str(model), "--allow-worse"],
            ["predict", str(model), str(data), "--threads", "1", "--json"],
        ]
        for command in commands:
            arguments = ["-m", "tbft_edge", *command]
            if place == "there":
                printed = emulator.run(arguments, cpu, memory=PI_MEMORY).stdout
            else:
                printed = subprocess.run(
                    [sys.executable, *arguments], capture_output=True, text=True, check=True
                ).stdout
        answers[place] = json.loads(printed)
    assert [answer["label"] for answer in answers["there"]] == [answer["label"] for answer in answers["here"]]
    for there, here in zip(answers["there"], answers["here"], strict=True):
        assert there["probability"] == pytest.approx(here["probability"], abs=1e-4)
    # The finalized file means the same on both machines.
    same_file = ["-m", "tbft_edge", "predict", str(tmp_path / "there.onnx"), str(data), "--threads", "1", "--json"]
    done = subprocess.run([sys.executable, *same_file], capture_output=True, text=True, check=True)
    assert [answer["label"] for answer in json.loads(done.stdout)] == [answer["label"] for answer in answers["there"]]


def test_instruction_counts_repeat(emulator: QemuUser, tmp_path: Path) -> None:
    """The cost figure is the same from run to run, and a step from stored activations costs less."""
    request = {"bundle": str(COMPILED / "feature-frozen"), "weights": str(tmp_path / "w.safetensors"), "steps": 2}
    medians = []
    for _ in range(2):
        marks = emulator.run([*MODULE, json.dumps(request)], CPUS["cortex-a72"], count=True).marks
        full, cached = (spans(marks, *kind)[WARM_UP:] for kind in (STEP_MARKS, CACHED_MARKS))
        assert len(full) == len(cached) == 2
        medians.append((np.median(full), np.median(cached)))
    (first, first_cached), (second, second_cached) = medians
    assert abs(first - second) <= INSTRUCTION_TOLERANCE * first
    assert abs(first_cached - second_cached) <= INSTRUCTION_TOLERANCE * first_cached
    assert first_cached < first


def test_a_clock_can_run_by_instructions(emulator: QemuUser) -> None:
    """What a program times is then what it executes: twice the work takes twice as long, on a busy machine, too."""
    program = """
import time
def work(rounds):
    started = time.perf_counter()
    for _ in range(rounds):
        pass
    return time.perf_counter() - started
work(1)
print(work(1000), work(2000))
"""
    cpu = CPUS["cortex-a72"]
    once, twice = map(float, emulator.run(["-c", program], cpu, count=True, clock=True).stdout.split())
    assert twice == pytest.approx(2 * once, rel=0.2)
    # A round of Python's loop is some dozens of instructions, each told as a microsecond.
    assert 0.01 < once < 1


@needs_root
def test_memory_limit_holds(emulator: QemuUser) -> None:
    """A process that wants more than the limit is ended, and the error says so."""
    program = "block = bytearray(400 << 20)\nfor i in range(0, len(block), 4096): block[i] = 1"
    with pytest.raises(TbftError, match="needs more than"):
        emulator.run(["-c", program], CPUS["cortex-a72"], memory=128 << 20)


def test_doctor_knows_the_boards(emulator: QemuUser, cpu: Cpu) -> None:
    """On an emulated Pi every check that can say no says yes."""
    checks = json.loads(
        emulator.run(["-m", "tbft_edge", "doctor", str(COMPILED / "feature-frozen"), "--json"], cpu).stdout
    )
    answers = {check["name"]: check for check in checks}
    assert answers["64-bit"]["text"] == "aarch64"
    assert answers["ONNX Runtime"]["ok"] is True
    assert answers["telemetry"]["ok"] is True
    assert ("int8 dot products" in answers["CPU features"]["text"]) == (cpu.name == "cortex-a76")
