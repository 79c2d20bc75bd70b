"""The checks of `tbft-edge doctor`, over the files and commands of a Linux board."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.trust import trust_file, trusted_keys
from tbft_runtime.board.access import THIS_BOARD, Board
from tbft_runtime.board.files import board_model, cpuinfo, meminfo
from tbft_runtime.board.machine import available_memory, memory_limit
from tbft_runtime.board.temperature import celsius, thermal_zone
from tbft_runtime.board.throttling import throttling
from tbft_runtime.doctor.needs import PICTURE_BYTES, needs
from tbft_runtime.meters.registry import Finding, survey

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
WORKING_ONNXRUNTIME = "1.31.1"
SUPPORTED_MACHINES = ("aarch64", "x86_64")
_PROBE_SECONDS = 120


class Check(msgspec.Struct, frozen=True):
    """One line: `ok` is False for what must be mended, None for what only is worth knowing."""

    name: str
    ok: bool | None
    text: str
    hint: str = ""


def examine(bundle: Bundle | None, folder: Path | None, board: Board | None = None) -> list[Check]:
    """Every check; with a bundle, memory and the disk of `folder` are held against what it needs.

    Without a folder the disk of the working folder is looked at, and whether it can be written only with a bundle.
    """
    board = board or THIS_BOARD
    return [
        _model(board),
        _cpu_features(board),
        check_machine(platform.machine(), sys.maxsize),
        check_python(sys.version_info[:2]),
        *check_onnxruntime([sys.executable, "-P", "-m", "tbft_runtime.doctor.probe"]),
        _memory(board, bundle),
        _disk(folder, bundle),
        _trust(),
        _temperature(board),
        _throttling(board),
        *_meters(board),
    ]


def check_machine(machine: str, largest_integer: int) -> Check:
    """64-bit ARM or x86: there is no 32-bit wheel of ONNX Runtime."""
    if largest_integer < 2**32:
        hint = "install the 64-bit Raspberry Pi OS; there is no 32-bit wheel of ONNX Runtime"
        return Check("64-bit", False, f"Python is 32-bit ({machine})", hint)
    if machine not in SUPPORTED_MACHINES:
        return Check("64-bit", False, f"{machine} has no ONNX Runtime wheel", f"use {' or '.join(SUPPORTED_MACHINES)}")
    return Check("64-bit", True, machine)


def check_python(version: tuple[int, ...]) -> Check:
    """A Python that the device packages support."""
    text = ".".join(str(part) for part in version)
    if OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        return Check("Python", True, text)
    return Check("Python", False, f"{text} is not supported", "use Python 3.11, 3.12 or 3.13")


def check_onnxruntime(probe: Sequence[str]) -> list[Check]:
    """Whether it imports and runs a convolution, tried in a process of its own; and its telemetry."""
    name = "ONNX Runtime"
    try:
        done = subprocess.run(
            probe,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [Check(name, False, f"a convolution took longer than {_PROBE_SECONDS} s", "reboot the board")]
    except OSError as error:
        text = f"not tried: a second Python ({probe[0]}) could not be started: {error.strerror or error}"
        return [Check(name, False, text, f"see whether this works: {shlex.join([*probe[:1], '--version'])}")]
    install = f"pip install onnxruntime=={WORKING_ONNXRUNTIME}"
    if done.returncode == -signal.SIGILL:
        text = "it uses an instruction that this CPU does not have"
        return [Check(name, False, text, f"{install} (version 1.21.0 is known to fail on a Raspberry Pi 4)")]
    if done.returncode:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        return [Check(name, False, f"it does not work: {last}", install)]
    version, telemetry = done.stdout.split()
    return [
        Check(name, True, f"{version} runs a convolution"),
        Check("telemetry", telemetry == "off", telemetry, "" if telemetry == "off" else "set ORT_DISABLE_TELEMETRY=1"),
    ]


def _model(board: Board) -> Check:
    return Check("board", None, board_model(board) or "unknown")


def _cpu_features(board: Board) -> Check:
    features = (cpuinfo(board, "Features") or cpuinfo(board, "flags") or "").split()
    known = {
        "asimd": "NEON",
        "asimddp": "int8 dot products",
        "fphp": "half precision",
        "avx2": "AVX2",
        "avx512f": "AVX-512",
    }
    found = [words for feature, words in known.items() if feature in features]
    return Check("CPU features", None, ", ".join(found) or "none that matter here")


def _memory(board: Board, bundle: Bundle | None) -> Check:
    available = available_memory(board.root)
    total = meminfo(board, "MemTotal")
    if available is None or total is None:
        return Check("memory", None, "unknown")
    text = f"{available / 1e6:,.0f} MB of {total / 1e6:,.0f} MB available"
    limit = memory_limit(board.root)
    if limit is not None and limit < total:
        text += f", with a limit of {limit / 1e6:,.0f} MB for this process and its group"
    if bundle is None:
        return Check("memory", None, text)
    wanted = {plan.id: needs(bundle, plan).memory for plan in bundle.manifest.plans}
    worst = max(wanted, key=lambda plan: wanted[plan])
    text += f"; plan {worst} needs about {wanted[worst] / 1e6:,.0f} MB"
    if wanted[worst] < PICTURE_BYTES and bundle.manifest.noun == "image":
        text += f", a PNG picture of 12 megapixels {PICTURE_BYTES / 1e6:,.0f} MB to be read"
    fitting = [plan for plan, memory in wanted.items() if memory <= available]
    hint = "close other programs, or train with a smaller `batch_size`"
    if fitting and len(fitting) < len(wanted):
        return Check("memory", None, text, f"there is enough for {', '.join(fitting)}; for the others {hint}")
    return _enough("memory", bool(fitting), text, hint)


def _disk(folder: Path | None, bundle: Bundle | None) -> Check:
    own = (folder or Path()).resolve()
    place = next(path for path in (own, *own.parents) if path.exists())
    free = shutil.disk_usage(place).free
    text = f"{free / 1e6:,.0f} MB free in {folder or Path()}"
    if why := _why_not_written(place) if folder or bundle else None:
        return Check("disk", False, f"{text}, which cannot be written: {why}", "train on another disk with `out`")
    if bundle is None:
        return Check("disk", None, text)
    wanted = max(needs(bundle, plan).disk for plan in bundle.manifest.plans)
    text += f"; a run needs about {wanted / 1e6:,.1f} MB and the prepared {bundle.manifest.noun}s"
    return _enough("disk", free >= wanted, text, "free some space, or train on another disk with `out`")


def _trust() -> Check:
    try:
        keys = trusted_keys()
        file = trust_file()
    except TbftError as error:
        return Check("trust", False, error.message, error.hint)
    if keys is None:
        return Check("trust", None, "no trust file: anybody's bundles are opened")
    return Check("trust", True, f"{len(keys)} key{'s' if len(keys) > 1 else ''} in '{file}', whose bundles are opened")


def _why_not_written(place: Path) -> str | None:
    """Why no run can lie there; None if one can."""
    if not place.is_dir():
        return "it is no folder"
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        return "its file system is read-only"
    return None if os.access(place, os.W_OK | os.X_OK) else "this user may not"


def _enough(name: str, ok: bool, text: str, hint: str) -> Check:
    return Check(name, ok, text, "" if ok else hint)


def _temperature(board: Board) -> Check:
    degrees = celsius(board, thermal_zone(board))
    if degrees is None:
        return Check("temperature", None, "unavailable")
    return Check("temperature", None, f"{degrees:.1f} °C", "" if degrees < 80 else "cool the board: it slows down soon")


def _throttling(board: Board) -> Check:
    slowed = throttling(board)
    if slowed is None:
        return Check("throttling", None, "unavailable")
    now, before = slowed
    if now:
        return Check("throttling", False, f"now: {', '.join(now)}", "use a stronger power supply, or cool the board")
    return Check("throttling", True, "not now" + (f"; since it started: {', '.join(before)}" if before else ""))


def _meters(board: Board) -> list[Check]:
    return [_meter(found) for found in survey(board)]


def _meter(found: Finding) -> Check:
    """A meter that is not there is no fault of the board. Of another package's it is said whose it is."""
    text = found.why if found.meter is None else f"available: {found.meter.source.scope}"
    return Check(f"meter {found.name}", None, f"from {found.origin}; {text}" if found.origin else text, found.hint)
