"""Emulate one process with QEMU's user mode: no container, and instructions can be counted."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError
from tbft_edge.emulation.cpus import Cpu
from tbft_edge.emulation.guest import Guest, UnavailableError
from tbft_edge.emulation.memory_limit import memory_group
from tbft_edge.process import run_program

PLUGIN_SOURCE = Path(__file__).with_name("count_instructions.c")
OUT_OF_MEMORY = -9
# Of the guest's root, what programs are made of. Everything else is this machine's: data and runs lie there.
SYSTEM = ("bin", "etc", "lib", "lib64", "sbin", "usr")


@dataclass(frozen=True)
class EmulatedRun:
    """What a process printed; `marks` are (mark, instructions executed so far); peak memory with the emulator's."""

    stdout: str
    marks: list[tuple[int, int]]
    peak_memory_bytes: int | None


@dataclass(frozen=True)
class QemuUser:
    """Runs the guest's Python on an emulated core."""

    guest: Guest
    emulator: str
    plugin: Path

    def run(
        self, arguments: Sequence[str], cpu: Cpu, *, memory: int | None = None, count: bool = False, clock: bool = False
    ) -> EmulatedRun:
        """Run `python arguments…` on `cpu`, with at most `memory` bytes if given, counting if `count`.

        With `clock`, too, what the program takes for a microsecond is an instruction.

        Raises TbftError if the program fails or needs more memory, UnavailableError if a limit cannot be set.
        """
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            # The measured program needs no network, and where that is possible it gets none.
            command = ["unshare", "--net"] if os.geteuid() == 0 and shutil.which("unshare") else []
            command += [self.emulator]
            if count:
                command += ["-plugin", f"{self.plugin},out={folder / 'marks'}{',clock=on' if clock else ''}"]
            # What the program is told that its Python is: with it, it can start more of them.
            command += ["-0", str(self.guest.starter), str(self.guest.python), *arguments]
            group = None
            # Without root the peak is simply not known; a limit that was asked for must hold.
            with contextlib.nullcontext() if memory is not None else contextlib.suppress(UnavailableError):
                group = stack.enter_context(memory_group(memory))
            done = run_program(
                group.wrap(command) if group else command, self._environment(cpu, self._shadows(cpu, folder))
            )
            if done.returncode:
                raise _failure(done, memory)
            return EmulatedRun(done.stdout, _read_marks(folder / "marks"), group.peak_bytes() if group else None)

    def _shadows(self, cpu: Cpu, folder: Path) -> Path:
        """The guest's root as this one process sees it, with the core's /proc/cpuinfo: others may run beside it."""
        root = folder / "root"
        (root / "proc").mkdir(parents=True)
        (root / "proc" / "cpuinfo").write_text(cpu.cpuinfo(), encoding="utf-8")
        for name in SYSTEM:
            if (self.guest.root / name).exists():
                (root / name).symlink_to(self.guest.root / name)
        return root

    def _environment(self, cpu: Cpu, root: Path) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": "/nonexistent",
            # Files below it shadow those of this machine, /proc/cpuinfo above all.
            "QEMU_LD_PREFIX": str(root),
            "QEMU_CPU": cpu.name,
            "PYTHONPATH": f"{self.guest.code}:{self.guest.packages}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "ORT_DISABLE_TELEMETRY": "1",
        }


def qemu_user(guest: Guest, cache: Path) -> QemuUser:
    """Find the emulator and compile the counter. Raises UnavailableError if either cannot be had."""
    emulator = shutil.which("qemu-aarch64")
    if emulator is None:
        raise UnavailableError("qemu-aarch64 is not installed (Debian: apt-get install qemu-user)")
    plugin = cache / "count_instructions.so"
    if not plugin.exists() or plugin.stat().st_mtime < PLUGIN_SOURCE.stat().st_mtime:
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            raise UnavailableError("no C compiler to build the instruction counter (Debian: apt-get install gcc)")
        _compile(compiler, plugin)
    _write_starter(guest, emulator)
    return QemuUser(guest, emulator, plugin)


def _compile(compiler: str, plugin: Path) -> None:
    with atomic_file(plugin) as temporary:
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(temporary), str(PLUGIN_SOURCE)]
        done = run_program(command)
        if done.returncode:
            raise UnavailableError(f"the instruction counter does not compile: {done.stderr.strip().splitlines()[0]}")


def _write_starter(guest: Guest, emulator: str) -> None:
    """A script of this machine that starts the guest's Python: its own file runs only where the kernel knows how
    (binfmt_misc), and elsewhere a program that starts `sys.executable` would end in "Exec format error".
    """
    with atomic_file(guest.starter, mode=0o777) as temporary:
        temporary.write_text(
            f'#!/bin/sh\nexec {shlex.quote(emulator)} -0 "$0" {shlex.quote(str(guest.python))} "$@"\n',
            encoding="utf-8",
            errors="surrogateescape",
        )


def spans(marks: Sequence[tuple[int, int]], begin: int, end: int) -> list[int]:
    """Instructions between each mark `begin` and the `end` that follows it."""
    counts = []
    started: int | None = None
    for mark, count in marks:
        if mark == begin:
            started = count
        elif mark == end and started is not None:
            counts.append(count - started)
            started = None
    return counts


def _read_marks(path: Path) -> list[tuple[int, int]]:
    if not path.exists():
        return []
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return [(int(mark), int(count)) for mark, count in lines]


def _failure(done: subprocess.CompletedProcess[str], memory: int | None) -> TbftError:
    if done.returncode in (OUT_OF_MEMORY, 128 - OUT_OF_MEMORY) and memory is not None:
        return TbftError(f"the emulated process needs more than {memory:,} bytes of memory", "raise --memory")
    last = (done.stderr.strip() or "no message").splitlines()[-1]
    return TbftError(
        f"the emulated process failed (exit code {done.returncode}): {last}", "run it with --platform local"
    )
