"""Memory limits with both versions of control groups, on a folder that looks like the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tbft_edge.emulation.guest import UnavailableError
from tbft_edge.emulation.memory_limit import memory_group

LIMIT = 512 << 20


def test_version_1_writes_the_limit_and_reads_the_peak(tmp_path: Path) -> None:
    """The memory controller has a folder of its own."""
    (tmp_path / "memory").mkdir()
    with memory_group(LIMIT, tmp_path) as group:
        assert (group.folder / "memory.limit_in_bytes").read_text() == str(LIMIT)
        assert group.folder.parent == tmp_path / "memory"
        (group.folder / "memory.max_usage_in_bytes").write_text("12345\n")
        assert group.peak_bytes() == 12345


def test_version_2_writes_the_limit_and_reads_the_peak(tmp_path: Path) -> None:
    """All controllers share one tree, and memory has to be switched on in it."""
    with memory_group(LIMIT, tmp_path) as group:
        assert (group.folder / "memory.max").read_text() == str(LIMIT)
        assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"
        (group.folder / "memory.peak").write_text("54321\n")
        assert group.peak_bytes() == 54321


def test_a_kernel_that_keeps_no_peak_gives_none(tmp_path: Path) -> None:
    """memory.peak is missing before Linux 5.19: unavailable, never 0."""
    with memory_group(None, tmp_path) as group:
        assert group.peak_bytes() is None
        assert not (group.folder / "memory.max").exists()


def test_the_command_moves_itself_into_the_group_first(tmp_path: Path) -> None:
    """Otherwise its start would not be limited."""
    with memory_group(LIMIT, tmp_path) as group:
        wrapped = group.wrap(["python", "x.py"])
    assert "cgroup.procs" in wrapped[2]
    assert wrapped[-2:] == ["python", "x.py"]


def test_without_control_groups_it_says_why(tmp_path: Path) -> None:
    """A user who asked for a limit must learn that it cannot hold."""
    with pytest.raises(UnavailableError, match="takes root"), memory_group(LIMIT, tmp_path / "missing"):
        pass
