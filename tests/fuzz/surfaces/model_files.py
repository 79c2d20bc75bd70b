"""Finalized models: odd model cards, and broken bytes."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from fuzz import commands
from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.mutations import change_file, change_json, nested, paths, to_json
from fuzz.odd_files import put_something_else
from support.hostile import EVIL, LONG
from tbft_artifacts.model_card import METADATA
from tbft_runtime.graphs.onnx_file import embed
from tbft_runtime.graphs.protobuf import bytes_field

MODEL = "model.onnx"


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """One of both, or no file at all."""
    content = desk.model.read_bytes()
    if rng.random() < 0.1:
        (folder / MODEL).write_bytes(content)
        return commands.any_of_model(f"{MODEL} {put_something_else(folder / MODEL, rng)}", desk, MODEL, rng)
    if rng.random() < 0.35:
        changed = change_file(content, rng)
        (folder / MODEL).write_bytes(changed.value)
        return commands.any_of_model(changed.what, desk, MODEL, rng)
    card, what = _card(json.loads(card_of(desk.model)), rng)
    (folder / MODEL).write_bytes(with_card(content, card))
    return commands.any_of_model(f"card: {what}", desk, MODEL, rng)


def card_of(model: Path) -> str:
    """The card of a finalized model, found by its beginning: the last field of the file.

    Without a checksum, which who knows what a card is would renew, or leave out as older versions did.
    """
    content = model.read_bytes()
    begin = content.rindex(b'{"bundle_id"')
    card, _ = json.JSONDecoder().raw_decode(content[begin:].decode(errors="replace"))
    card.pop("sha256", None)
    return json.dumps(card)


def with_card(model: bytes, card: bytes) -> bytes:
    """The model with another card, and no other."""
    bare = embed(model, {}, {})
    begin = bare.rindex(b'{"bundle_id"')
    # The field that holds the card ends the file: key 14, length, key 1, the name, key 2, length, the card.
    start = bare.rindex(bytes_field(1, METADATA.encode()), 0, begin)
    start = bare.rindex(b"\x72", 0, start)
    return bare[:start] + bytes_field(14, bytes_field(1, METADATA.encode()) + bytes_field(2, card))


def _card(card: dict[str, Any], rng: Random) -> tuple[bytes, str]:
    match rng.randrange(8):
        case 0:
            deep = nested(rng)
            return deep.value, deep.what
        case 1:
            changed = change_file(to_json(card), rng)
            return changed.value, changed.what
        case 2:
            kinds = {
                "fewer": ["a"],
                "none": [],
                "more": list("abcdefgh"),
                "unprintable": [EVIL, "b\nx\ty", "\x1b[m", LONG],
            }
            kind = rng.choice(sorted(kinds))
            return to_json(card | {"classes": kinds[kind]}), f"classes {kind}"
        case 3:
            size = rng.choice((0, -1, 1, 7, 4096, 50_000, 2**31, 2**62))
            steps = [step | {"size": size} if "size" in step else step for step in card["preprocessing"]]
            return to_json(card | {"image_size": size, "preprocessing": steps}), f"size {size}"
        case 4:
            steps = list(card["preprocessing"])
            rng.shuffle(steps)
            del steps[rng.randrange(len(steps)) :]
            return to_json(card | {"preprocessing": steps}), f"steps {[step['type'] for step in steps]}"
        case _:
            changed = change_json(card, rng, list(paths(card)))
            return to_json(changed.value), changed.what
