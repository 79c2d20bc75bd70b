"""Signed bundles of which something was changed on the way: what was signed, the signature, the keys."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.mutations import change_bytes, change_file, change_json, to_json
from fuzz.surfaces.archives import NAME, packed
from support.signing import FIXED, key_file, signed_archive, signed_folder

_FOLDER, _KEYS = "bundle", "keys.pem"


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """One changed file of a signed bundle, or of its keys; what is not as it was signed must be refused."""
    source = desk.bundle("output-frozen")
    signed_folder(shutil.copytree(source, folder / _FOLDER), FIXED)
    files = {path.relative_to(folder / _FOLDER).as_posix(): path for path in sorted((folder / _FOLDER).rglob("*"))}
    (folder / NAME).write_bytes(packed({name: path.read_bytes() for name, path in files.items() if path.is_file()}))
    signed_archive(folder / NAME, source, FIXED)
    key_file(folder / _KEYS, FIXED)
    bundle = rng.choice((_FOLDER, NAME))
    signature = folder / (f"{_FOLDER}/signature.dsse.json" if bundle == _FOLDER else f"{NAME}.dsse.json")
    match rng.randrange(4):
        case 0:
            path, is_signed = signature, False
            changed = change_json(json.loads(path.read_bytes()), rng)
            path.write_bytes(to_json(changed.value))
        case 1:
            path, is_signed = rng.choice((signature, folder / _KEYS)), False
            changed = rng.choice((change_bytes, change_file))(path.read_bytes(), rng)
            path.write_bytes(changed.value)
        case _:
            path = folder / _FOLDER / "manifest.json" if bundle == _FOLDER else folder / NAME
            before = path.read_bytes()
            changed = change_bytes(before, rng)
            path.write_bytes(changed.value)
            is_signed = changed.value != before
    what = f"{path.relative_to(folder)}: {changed.what}"
    return Case(what, ("inspect", bundle, "--trust", _KEYS), must_refuse=is_signed)
