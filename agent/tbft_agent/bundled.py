"""The bundle that everything began with: one that came packed is unpacked once, for the agent and all its runs."""

from __future__ import annotations

import shutil
from pathlib import Path

from tbft_artifacts.archive import archived_id, is_archive, unpack
from tbft_artifacts.atomic import clear_disk_errors
from tbft_artifacts.bundle import bundle_id, check_expected, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.labels import labels_of


def settled(bundle: Path, folder: Path, expect_id: str | None = None) -> tuple[Path, str]:
    """Where the files of `bundle` lie, and its id; those of an archive are put into `folder`.

    Raises TbftError if it cannot be read, or unpacked, or is another than the expected one. Where an archive is gone
    what was unpacked of it is taken.
    """
    if not is_archive(bundle):
        return bundle, open_bundle(bundle, expect_id=expect_id).manifest.bundle_id
    there = _whole(folder, expect_id)
    try:
        wanted = archived_id(bundle)
    except TbftError:
        if there is None:
            raise
        return folder, there
    # Of an archive that can be read, and is another, nobody may think that it answers.
    check_expected(wanted, None if expect_id is None else bundle_id(expect_id), bundle)
    if there != wanted:
        try:
            _replace(folder, bundle)
        except TbftError:
            # One that is cut, or too large for the disk, is no reason to lose the one before.
            if there is None:
                raise
            return folder, there
    return folder, wanted


def led_to(bundle: Path) -> str | None:
    """Where a link to a bundle leads, such as a fleet's updates change it; None of what is no link, or gone."""
    try:
        return str(bundle.readlink())
    except OSError:
        return None


def marked(bundle: Path, bundle_id: str) -> dict[str, str]:
    """What figures of an agent are marked with: its bundle, and device and release where a fleet's updates bring it."""
    found = labels_of(bundle)
    # In between a link may lead to another one.
    return found if found.get("bundle") == bundle_id else {"bundle": bundle_id}


def _replace(folder: Path, bundle: Path) -> None:
    """Put what `bundle` holds into `folder`, once all of it is there."""
    new, old = (folder.with_name(f"{folder.name}.{part}") for part in ("new", "old"))
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    unpack(bundle, new, shown=bundle)
    with clear_disk_errors(folder):
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _whole(folder: Path, expect_id: str | None) -> str | None:
    """The id of the bundle in a folder; None where there is none that is as it was exported, and expected."""
    try:
        return open_bundle(folder, expect_id=expect_id).manifest.bundle_id
    except TbftError:
        return None
