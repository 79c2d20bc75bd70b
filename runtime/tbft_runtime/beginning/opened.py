"""The bundle of a run: a folder, or an archive that is unpacked into the run's own."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from tbft_artifacts.archive import archived_id, is_archive, unpack
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.rights import restrict
from tbft_runtime.progress import Progress
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.resolve import another_bundle
from tbft_runtime.run.run_file import RunFile


def open_for_run(
    path: Path, folder: RunFolder, stored: RunFile | None, expect_id: str | None, progress: Progress
) -> Bundle:
    """The bundle; an archive is unpacked into the run's folder, and again where what was unpacked is damaged."""
    if not is_archive(path):
        return open_bundle(path, expect_id=expect_id)
    found = archived_id(path, expect_id)
    if stored is None:
        # Of a start that came to nothing; a small disk may not hold both.
        shutil.rmtree(folder.bundle, ignore_errors=True)
        return _unpacked(path, folder, found)
    if found != stored.settings.bundle_id:
        raise another_bundle(folder.path, stored.settings.bundle_id)
    try:
        return open_bundle(folder.bundle, expect_id=found)
    except TbftError as damage:
        bundle = _unpacked(path, folder, found)
        progress.note(f"unpacked '{path}' into the run, since {damage.message}")
        return bundle


def _unpacked(archive: Path, folder: RunFolder, bundle_id: str) -> Bundle:
    """The bundle in `archive`, in the run's folder; what lay there goes when the new one is known to be good."""
    unpack(archive, folder.fresh_bundle, bundle_id, shown=folder.bundle)
    try:
        bundle = open_bundle(folder.fresh_bundle, shown=archive, expect_id=bundle_id)
    except TbftError:
        folder.remove_leftovers()
        raise
    restrict(folder.fresh_bundle, folder.mode)
    folder.renew_bundle()
    return dataclasses.replace(bundle, folder=folder.bundle)
