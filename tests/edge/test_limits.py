"""Limits of the process: whatever is refused is one line that says what was, and blames no file."""

from __future__ import annotations

import errno
import os
import resource
import tarfile
from pathlib import Path

import pytest

from support.bundles import compiled
from support.commands import DEVICE, refused, run
from tbft_edge.main import _lacks_memory

MB = 1_000_000


def limited(kind: int, limit: int, bundle: Path, data: Path, out: Path) -> None:
    """A training under a limit works, or is refused by one line that does not say that something is damaged."""
    options = ("--data", data, "--out", out, "--epochs", "1", "--threads", "1", "--meter", "none")
    # OpenBLAS ends a process by itself where it gets no buffer for each of its threads.
    alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    before = lambda: resource.setrlimit(kind, (limit, limit))  # noqa: E731
    ended = run(DEVICE, "train", bundle, *options, variables=alone, before=before)
    if ended.code:
        refusal = refused(ended)
        assert "damaged" not in refusal.message
        assert "memory" in refusal.message or os.strerror(errno.EMFILE) in refusal.message or "read" in refusal.message


@pytest.mark.parametrize("megabytes", [140, 160, 180, 200, 240, 300])
def test_too_little_memory_is_said(megabytes: int, squares: Path, tmp_path: Path) -> None:
    """Of whichever part gets none: a library, an array, a thread."""
    limited(resource.RLIMIT_AS, megabytes * MB, compiled("output-frozen"), squares, tmp_path / "run")


@pytest.mark.parametrize("files", [6, 7, 8, 10, 12])
def test_too_few_files_are_said(files: int, squares: Path, tmp_path: Path) -> None:
    """An archive is not damaged by that, nor is a bundle."""
    bundle = tmp_path / "bundle.tar.gz"
    with tarfile.open(bundle, "w:gz") as archive:
        archive.add(compiled("output-frozen"), "")
    limited(resource.RLIMIT_NOFILE, files, bundle, squares, tmp_path / "run")


@pytest.mark.parametrize(
    "words",
    [
        "libjpeg.so.62: failed to map segment from shared object",
        "libopenblas.so: cannot open shared object file: Cannot allocate memory",
        "can't start new thread",
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc",
        "Unable to allocate 3.2 GiB for an array",
    ],
)
def test_libraries_say_it_in_their_own_ways(words: str) -> None:
    assert _lacks_memory(ImportError(words))
    assert not _lacks_memory(ImportError("cannot import name 'x'"))
