"""A folder as a `.tar.gz`, the same bytes for the same files."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

from tbft_artifacts.manifest import MANIFEST


def pack(folder: Path, archive: Path) -> None:
    """Write the files of a bundle into a `.tar.gz`, without owners or dates, so that equal bundles pack equally.

    The manifest comes first: who opens it, knows then what each of the others has to be.
    """

    def anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = ""
        return info

    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in sorted(folder.rglob("*"), key=lambda path: (path != folder / MANIFEST, path)):
            if path.is_file():
                tar.add(path, path.relative_to(folder).as_posix(), filter=anonymous)
