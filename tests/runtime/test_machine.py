"""What is left of the memory, in and outside containers, and which processor it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tbft_runtime.board.machine import available_memory, memory_limit, peak_memory, processor

MIB = 1 << 20


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


MEMINFO = {"proc/meminfo": "MemTotal:  4096000 kB\nMemFree: 100 kB\nMemAvailable:  2048000 kB\n"}


def test_memory_is_what_the_system_says(tmp_path: Path) -> None:
    """Not what is free: the page cache can be taken back."""
    assert available_memory(tree(tmp_path, MEMINFO)) == 2048000 * 1024


@pytest.mark.parametrize("group", ["/", "/system.slice/run.service"])
def test_a_control_group_limits_it(group: str, tmp_path: Path) -> None:
    """Of the process's own group or one above, as in a container or a service; file pages do not count as used."""
    files = MEMINFO | {
        "proc/self/cgroup": f"0::{group}\n",
        "sys/fs/cgroup/memory.max": f"{512 * MIB}\n",
        "sys/fs/cgroup/memory.stat": f"anon {112 * MIB}\nfile {300 * MIB}\n",
        "sys/fs/cgroup/system.slice/run.service/memory.max": "max\n",
        "sys/fs/cgroup/system.slice/run.service/memory.stat": f"anon {100 * MIB}\n",
    }
    assert available_memory(tree(tmp_path, files)) == 400 * MIB


def test_more_used_than_allowed_is_nothing(tmp_path: Path) -> None:
    """A limit that was lowered leaves no negative memory."""
    files = {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": f"{MIB}\n",
        "sys/fs/cgroup/memory.stat": f"anon {2 * MIB}\n",
    }
    assert available_memory(tree(tmp_path, MEMINFO | files)) == 0


def test_unknown_memory_is_unknown(tmp_path: Path) -> None:
    assert available_memory(tmp_path) is None


CPUINFO = "processor : 0\nmodel name : Fast\ncpu MHz : {}\nflags : fma avx2{}\n\nprocessor : 1\nmodel name : Fast\n"


def test_a_processor_is_known_by_what_it_can(tmp_path: Path) -> None:
    """Its clock changes all the time; another set of instructions is another processor."""
    texts = [
        processor(tree(tmp_path / name, {"proc/cpuinfo": CPUINFO.format(*values)}))
        for name, values in {"now": (800, ""), "later": (2400, ""), "other": (800, " avx512f")}.items()
    ]
    assert texts[0] == texts[1] != texts[2]


def test_this_machine_says_something() -> None:
    assert len(processor().splitlines()) > 1
    memory = available_memory()
    assert memory is not None
    assert memory > 10 * MIB


def test_a_peak_is_not_that_of_whoever_started_the_process() -> None:
    """As `compare` starts one run after the other: the kernel hands the starter's maximum on to `getrusage`."""
    starter = """
import subprocess, sys
held = b"x" * (256 << 20)
child = "from tbft_runtime.board.machine import peak_memory; print(peak_memory())"
print(subprocess.run([sys.executable, "-c", child], capture_output=True, check=True).stdout.decode())
"""
    done = subprocess.run([sys.executable, "-c", starter], capture_output=True, text=True, check=True)
    assert MIB < int(done.stdout) < 128 * MIB


def test_a_peak_is_known_without_the_kernel_s_table(tmp_path: Path) -> None:
    assert peak_memory(tmp_path) > MIB
    assert peak_memory(tree(tmp_path, {"proc/self/status": "VmHWM:\t  2048 kB\n"})) == 2 * MIB


@pytest.mark.parametrize("file", ["memory.max", "memory.high"])
@pytest.mark.parametrize("level", ["", "system.slice", "system.slice/run.service"])
def test_every_limit_at_every_level_counts(file: str, level: str, tmp_path: Path) -> None:
    """`memory.high` kills nobody, but slows a process down until it stands."""
    groups = ("", "system.slice", "system.slice/run.service")
    files = MEMINFO | {"proc/self/cgroup": "0::/system.slice/run.service\n"}
    for group in groups:
        files |= {f"sys/fs/cgroup/{group}/{each}": "max\n" for each in ("memory.max", "memory.high")}
        files[f"sys/fs/cgroup/{group}/memory.stat"] = f"anon {10 * MIB}\n"
    files[f"sys/fs/cgroup/{level}/{file}"] = f"{60 * MIB}\n"
    assert available_memory(tree(tmp_path, files)) == 50 * MIB
    assert memory_limit(tmp_path) == 60 * MIB


@pytest.mark.parametrize("place", ["", "docker/abc/"])
@pytest.mark.parametrize(
    "used", [{"memory.stat": f"total_rss {10 * MIB}\n"}, {"memory.usage_in_bytes": f"{10 * MIB}\n"}]
)
def test_control_groups_of_version_1_count(place: str, used: dict[str, str], tmp_path: Path) -> None:
    """Of older systems: in a container the limit lies at the top, outside of it in the group's own folder."""
    top = "sys/fs/cgroup/memory/"
    files = MEMINFO | {
        "proc/self/cgroup": "9:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/docker/abc\n",
        f"{top}memory.limit_in_bytes": "9223372036854771712\n",
        f"{top}{place}memory.limit_in_bytes": f"{60 * MIB}\n",
    }
    assert (
        available_memory(tree(tmp_path, files | {f"{top}{place}{name}": text for name, text in used.items()}))
        == 50 * MIB
    )
