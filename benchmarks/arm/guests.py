"""Emulated guests with the aarch64 wheels of other engines, and `benchmarks`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from benchmarks.prepared import ROOT
from tbft_edge.console import say
from tbft_edge.emulation.guest import PLATFORMS, PYTHON_VERSION, Guest, UnavailableError, cache_folder, prepare_guest
from tbft_edge.emulation.qemu_user import QemuUser, qemu_user

MNN = "mnn==3.6.1"
# What the workers need beside an engine.
_COMMON = ("numpy", "msgspec", "safetensors")
_ONE_AT_A_TIME = threading.Lock()


def guest_with(engine: str, requirements: Sequence[str]) -> QemuUser:
    """An emulator with `engine`, `name==version`, and all that it requires. Raises UnavailableError if it cannot be."""
    cache = cache_folder()
    root = prepare_guest(cache).root
    packages = cache / f"packages-{engine}"
    with _ONE_AT_A_TIME:
        if not packages.exists():
            say(f"downloading {engine} for arm64 into {packages}")
            _install(packages, engine, [*requirements, *_COMMON])
    return qemu_user(Guest(root, packages, ROOT), cache)


def _install(packages: Path, engine: str, requirements: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(dir=packages.parent) as temporary:
        platforms = [word for name in PLATFORMS for word in ("--platform", name)]
        abis = [word for name in (f"cp{PYTHON_VERSION.replace('.', '')}", "abi3", "none") for word in ("--abi", name)]
        options = ["--only-binary=:all:", "--no-deps", "--no-compile", "--implementation", "cp"]
        options += ["--python-version", PYTHON_VERSION, *platforms, *abis, "--target", f"{temporary}/packages"]
        command = [sys.executable, "-m", "pip", "install", "--quiet", *options, *requirements]
        done = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
        if done.returncode:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise UnavailableError(f"pip could not get {engine} for arm64: {last}")
        shutil.move(f"{temporary}/packages", packages)
