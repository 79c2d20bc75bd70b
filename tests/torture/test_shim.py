"""What the torture suite does to files is what it says: else nothing that survives it proves anything."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from torture import shim
from torture.shim import How

pytestmark = pytest.mark.skipif(shim.why_not() is not None, reason=str(shim.why_not()))

# Five operations below the folder: open, write, fsync, open, write. One more is elsewhere.
WRITER = """
import ctypes, mmap, os, sys
folder, how, at, error = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
shared = mmap.mmap(-1, 4096)
count = ctypes.c_int.from_buffer(shared)
ctypes.CDLL(os.environ["LD_PRELOAD"]).shim_arm(how, at, error, folder.encode(), ctypes.byref(count))
flags = os.O_WRONLY | os.O_CREAT
os.write(os.open(folder + "-elsewhere", flags), b"elsewhere")
safe = os.open(folder + "/safe", flags)
os.write(safe, b"safe")
os.fsync(safe)
late = os.open(folder + "/late", flags)
os.write(late, b"late")
print(count.value)
os.rename(folder + "/late", folder + "/renamed")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shim.build(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def write(library: Path, folder: Path, how: How, at: int, error: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WRITER, folder, str(int(how)), str(at), str(error)]
    environment = os.environ | {"LD_PRELOAD": str(library)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def left(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_operations_below_the_folder_are_counted(library: Path, folder: Path) -> None:
    """And no others."""
    ended = write(library, folder, How.COUNT, 0)
    assert (ended.returncode, ended.stdout) == (0, "5\n"), ended
    assert left(folder) == {"safe": b"safe", "renamed": b"late"}


@pytest.mark.parametrize(
    ("how", "at", "expected"),
    [
        (How.KILL, 1, {}),
        (How.KILL, 2, {"safe": b""}),
        (How.KILL, 3, {"safe": b"safe"}),
        (How.KILL_AFTER, 2, {"safe": b"safe"}),
        (How.HALF, 2, {"safe": b"sa"}),
        (How.PLUG, 3, {"safe": b""}),
        (How.PLUG, 4, {"safe": b"safe"}),
        (How.PLUG, 6, {"safe": b"safe", "late": b""}),
    ],
)
def test_kills(how: How, at: int, expected: dict[str, bytes], library: Path, folder: Path) -> None:
    """A pulled plug takes what was not flushed with it."""
    assert write(library, folder, how, at).returncode == -signal.SIGKILL
    assert left(folder) == expected


@pytest.mark.parametrize(
    ("how", "at", "expected"),
    [
        (How.FAIL_ONCE, 2, {"safe": b""}),
        (How.FAIL_ON, 4, {"safe": b"safe"}),
        (How.FAIL_ONCE, 6, {"safe": b"safe", "late": b"late"}),
    ],
)
def test_faults(how: How, at: int, expected: dict[str, bytes], library: Path, folder: Path) -> None:
    ended = write(library, folder, how, at, errno.EROFS)
    assert ended.returncode == 1
    assert os.strerror(errno.EROFS) in ended.stderr
    assert left(folder) == expected
