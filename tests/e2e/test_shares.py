"""File systems that cannot do what ext4 can, as shares, sticks and FUSE: they hold runs, or say in one line why not.

Each is a library in C that answers as such a file system does, loaded ahead of the system's own.
"""

from __future__ import annotations

import errno
import shutil
import subprocess
from pathlib import Path

import pytest

from support.commands import DEVICE, Ended, refused, run

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef NO_FSYNC
int fsync(int fd) {
    struct stat s;
    if (!fstat(fd, &s) && S_ISDIR(s.st_mode)) { errno = ERROR; return -1; }
    return syscall(SYS_fsync, fd);
}
#endif
#ifdef NO_FLOCK
int flock(int fd, int operation) { errno = ERROR; return -1; }
#endif
#ifdef NO_CHMOD
int chmod(const char *path, mode_t mode) { errno = ERROR; return -1; }
int fchmodat(int folder, const char *path, mode_t mode, int flags) { errno = ERROR; return -1; }
int fchmod(int fd, mode_t mode) { errno = ERROR; return -1; }
#endif
#ifdef NO_RENAME
int rename(const char *from, const char *to) { errno = ERROR; return -1; }
#endif
"""
WITHOUT = {
    "NO_FSYNC": (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES),
    "NO_FLOCK": (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL),
    "NO_CHMOD": (errno.EPERM, errno.ENOTSUP),
}
KINDS = [(what, number) for what, numbers in WITHOUT.items() for number in numbers]


def share(folder: Path, what: str, number: int) -> dict[str, str]:
    """The variables under which a command finds such a file system."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to make such a file system with")
    library = folder / f"{what}-{number}.so"
    words = [compiler, "-shared", "-fPIC", f"-D{what}", f"-DERROR={number}", "-xc", "-", "-o", library, "-ldl"]
    subprocess.run(words, input=SOURCE.encode(), check=True)
    return {"LD_PRELOAD": str(library)}


def train(bundle: Path, data: Path, out: Path, variables: dict[str, str]) -> Ended:
    options = ("--epochs", "1", "--threads", "1", "--meter", "none", "--metrics-file", out.with_suffix(".prom"))
    return run(DEVICE, "train", bundle, "--data", data, "--out", out, *options, variables=variables)


@pytest.mark.parametrize(("what", "number"), KINDS, ids=lambda value: errno.errorcode.get(value, value))
def test_a_run_lies_where_something_is_missing(
    what: str, number: int, bundle: Path, data: Path, tmp_path: Path
) -> None:
    """Folders that cannot be flushed, files without locks or rights of their own: all ends as elsewhere."""
    variables = share(tmp_path, what, number)
    place = tmp_path / "share"
    place.mkdir()
    ended = train(bundle, data, place / "run", variables)
    assert ended.code == 0, ended
    assert ("where files cannot be locked" in ended.err) is (what == "NO_FLOCK")
    finalized = run(DEVICE, "finalize", place / "run", "--out", place / "m.onnx", "--allow-worse", variables=variables)
    assert finalized.code == 0, finalized
    assert {path.name for path in place.iterdir()} == {"run", "run.prom", "m.onnx"}


@pytest.mark.parametrize("archived", [True, False])
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.EPERM, errno.EINVAL])
def test_where_nothing_can_be_renamed_one_line_says_so(
    number: int, archived: bool, bundle: Path, data: Path, tmp_path: Path, exported: object
) -> None:
    """Of the place that cannot, and never of the bundle that was read: it is not damaged."""
    path = getattr(exported, "path") if archived else bundle  # noqa: B009
    refusal = refused(train(path, data, tmp_path / "run", share(tmp_path, "NO_RENAME", number)))
    assert str(tmp_path / "run") in refusal.message
    assert "damaged" not in refusal.message
    assert ".tmp" not in refusal.message
    assert not [each for each in tmp_path.rglob("*") if each.name.endswith(".tmp")]
