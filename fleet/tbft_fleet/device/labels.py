"""What figures of a device are marked with, so that those of many can lie beside each other."""

from __future__ import annotations

from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_fleet.device.place import Place


def labels_of(bundle: Path) -> dict[str, str]:
    """Device, release and bundle of one that lies where a device of a fleet has its releases; of any other none."""
    folder = bundle.resolve().parent
    place = Place(folder.parent.parent)
    number = int(folder.name) if folder.name.isdecimal() else 0
    release = place.release(number)
    if release is None or folder != place.releases.place(number).resolve():
        return {}
    try:
        device = place.id
    except TbftError:
        return {}
    return {"device": device, "release": str(number), "bundle": release.bundle_id}
