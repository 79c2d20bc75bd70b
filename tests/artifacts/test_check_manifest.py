"""A manifest says nothing that nobody can read, that contradicts itself, or that no device could do."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.bundles import COMPILED, made_up_bundle, write_manifest
from support.hostile import EMOJI, EVIL, LENGTHY, LONG, ODD
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import MANIFEST, Manifest
from tbft_artifacts.model_card import ModelCard, decode_card

Place = tuple[str | int, ...]
BAD_NAMES = {
    "escape sequences": f"a{EVIL}",
    "a tab": "a\tb",
    "a line end": "a\nb",
    "text turned around": "a\u202eb",
    "nothing to see": "\u200b",
    "nothing": "",
    "a space": " ",
    "100,000 letters": LONG * 10,
}
NAMED: dict[str, Place] = {
    "model": ("model",),
    "parent": ("parent",),
    "class": ("classes", 1),
    "statistic": ("batch_norms", 0, "mean"),
    "block": ("blocks", 0, "name"),
    "plan": ("plans", 0, "id"),
    "block of a plan": ("plans", 0, "blocks", 0),
    "parameter": ("plans", 0, "parameters", 0, "name"),
    "boundary": ("plans", 0, "boundary", "name"),
    "method": ("plans", 0, "method"),
    "version": ("producers", "tbft-edge"),
}


def changed(folder: Path, path: Place, value: Any) -> Path:
    """A made-up bundle with another value somewhere in its manifest, whose id is right."""
    made_up_bundle(folder)
    content = json.loads((folder / MANIFEST).read_bytes())
    content["plans"][0]["method"] = "tbft"  # Left out where it is the default.
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    encoded = msgspec.json.encode({**content, "bundle_id": ""}, order="sorted")
    with contextlib.suppress(msgspec.ValidationError):  # Refused before its id is looked at.
        content["bundle_id"] = msgspec.json.decode(encoded, type=Manifest).content_hash()
    (folder / MANIFEST).write_bytes(msgspec.json.encode(content))
    return folder


def refusal(folder: Path) -> TbftError:
    with pytest.raises(TbftError) as caught:
        open_bundle(folder)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 1000
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
@pytest.mark.parametrize("path", NAMED.values(), ids=NAMED)
def test_a_name_that_nobody_can_read_is_refused_wherever_it_stands(path: Place, name: str, tmp_path: Path) -> None:
    assert MANIFEST in refusal(changed(tmp_path, path, name)).message


@pytest.mark.parametrize(
    "name", [ODD, LENGTHY, EMOJI, "white wolf, Arctic wolf, Canis lupus tundrarum", "می‌خواهم", "犬"]
)
def test_names_of_any_language_and_kind_are_fine(name: str, tmp_path: Path) -> None:
    """Whatever can be read; pages and terminals take markup and formulas for text."""
    assert open_bundle(changed(tmp_path, ("classes", 1), name)).manifest.classes[1] == name


TWICE: list[tuple[Place, Any]] = [
    (("classes",), ["ant", "bee", "ant"]),
    (("blocks",), [{"name": "fc", "parameters": 24}] * 2),
    (("plans", 0, "parameters"), [{"name": "fc.weight", "shape": [4, 6]}] * 2),
    (("plans", 0, "gradient_forms"), ["direct", "direct"]),
    (("plans", 0, "blocks"), ["fc", "fc"]),
    (("plans", 0, "exits"), [{"name": "fc", "flops": 1}] * 2),
]
MISSING: list[tuple[Place, Any]] = [
    (("classes",), []),
    (("preprocessing",), []),
    (("plans",), []),
    (("plans", 0, "gradient_forms"), []),
    (("plans", 0, "gradient_memory"), []),
    (("plans", 0, "prefix_memory"), []),
    (("plans", 0, "parameters"), []),
    (("plans", 0, "optimizer", "inputs"), []),
    (("plans", 0, "optimizer", "slots"), []),
]
OUT_OF_RANGE: list[tuple[Place, Any]] = [
    *((("image_size",), size) for size in (0, -1, 4097, 2**31, 10**400, 8.0)),
    *((("preprocessing", 2, "size"), size) for size in (0, -8, 7, 4097, 2**62)),
    *((("preprocessing", 3, "size"), size) for size in (0, -8, 7, 9, 2**62)),
    *((("preprocessing", 4, "mean"), mean) for mean in ([], [0.5], [0.5] * 4, [1e308] * 3, [0.5, 0.5, -1e30])),
    *((("preprocessing", 4, "std"), std) for std in ([], [0.5], [0.5] * 4, [0, 1, 1], [1e-40] * 3, [-1.0] * 3)),
    *((("plans", 0, "micro_batch"), images) for images in (0, -1, 2**31, 2**62)),
    *((("plans", 0, "batch_size"), images) for images in (0, -1, 2**31, 2**62)),
    *((("plans", 0, "optimizer", "lr"), lr) for lr in (-1, 1e39, 1e308)),
    *((("plans", 0, "kept"), images) for images in (-1, 2**21, 2**31, 2**62, 1.5)),
    *((("plans", 0, "boundary", "shape"), shape) for shape in ([0], [-4, 8, 8], [2**31 - 1] * 4, [2**62], [1] * 9)),
    *((("plans", 0, "cost", "forward_flops"), flops) for flops in (-1, 2**53, 10**400)),
    *((("plans", 0, "gradient_memory", 0, "image_bytes"), size) for size in (-1, 2**37, 2**62)),
    *((("plans", 0, "targets_memory", "image_bytes"), size) for size in (-1, 2**37, 2**62)),
    *(
        (("plans", 0, "optimizer", "inputs"), names)
        for names in (["lr"], ["lr"] * 3, ["momentum", "lr", "weight_decay"])
    ),
    *((("plans", 0, "optimizer", "kind"), kind) for kind in ("adam", "sgd\n", "")),
    *((("batch_norms", 0, "momentum"), value) for value in (-0.1, 1.1)),
    *((("minimum_runtime",), version) for version in ("9" * 5000, "", "1.2\n", "newest")),
    (("classes",), [str(number) for number in range(10_001)]),
]
CONTRADICTORY: list[tuple[Place, Any]] = [
    (("preprocessing", 0), {"type": "normalize", "mean": [0, 0, 0], "std": [1, 1, 1]}),
    (("preprocessing", 1), {"type": "exif_transpose"}),
    (("preprocessing", 3), {"type": "rgb"}),
    (("preprocessing", 4), {"type": "rgb"}),
    (("plans", 0, "prefix_forms"), []),
    (("plans", 0, "batch_statistics"), ["bn.running_mean"]),
    (("plans", 0, "batch_norm"), "batch"),
    (("plans", 0, "id"), ".."),
    (("plans", 0, "blocks", 0), "layer9"),
    (("plans", 0, "blocks", 0), "fc.wei"),
    (("blocks", 0, "name"), "nowhere"),
    (("batch_norms", 0, "mean"), "fc.weight"),
    (("batch_norms", 0, "variance"), "bn.running_mean"),
]


@pytest.mark.parametrize(("path", "value"), [*TWICE, *MISSING, *OUT_OF_RANGE, *CONTRADICTORY])
def test_what_a_device_could_not_do_is_refused(path: Place, value: Any, tmp_path: Path) -> None:
    """Also where the hash of the manifest is right: whoever can write one can compute it."""
    assert MANIFEST in refusal(changed(tmp_path, path, value)).message


@pytest.mark.parametrize("folder", sorted(COMPILED.iterdir()), ids=lambda folder: folder.name)
def test_whatever_the_exporter_writes_opens(folder: Path) -> None:
    """With plans of every kind, int8 prefixes, exits, chosen channels, and odd names."""
    if folder.is_dir():
        assert open_bundle(folder).manifest.plans


def test_only_plans_with_statistics_of_the_batch_say_that_their_prefix_has_none(tmp_path: Path) -> None:
    """Of the others it goes without saying."""
    with pytest.raises(TbftError, match="has a plan 'feature-frozen-sgd' with a prefix without norms"):
        open_bundle(changed(tmp_path, ("plans", 0, "fixed_prefix"), True))


def test_only_plans_with_statistics_of_the_batch_say_of_which_parts(tmp_path: Path) -> None:
    """Others have nothing to normalise them by."""
    with pytest.raises(TbftError, match="has a plan 'feature-frozen-sgd' with parts of a batch"):
        open_bundle(changed(tmp_path, ("plans", 0, "statistics_part"), 8))


def test_plans_with_exits_have_no_graph_that_takes_targets(tmp_path: Path) -> None:
    """Their loss is a sum over several classifiers."""
    with pytest.raises(TbftError, match="has a plan 'feature-frozen-sgd' with a graph that takes targets"):
        open_bundle(changed(tmp_path, ("plans", 0, "exits"), [{"name": "fc", "flops": 1}]))


CARD: dict[str, Any] = {
    "bundle_id": "0" * 64,
    "plan": "feature-frozen-sgd",
    "classes": ["ant", "bee"],
    "image_size": 8,
    "preprocessing": [
        {"type": "rgb"},
        {"type": "resize", "size": 8},
        {"type": "center_crop", "size": 8},
        {"type": "normalize", "mean": [0.5] * 3, "std": [0.25] * 3},
    ],
}


def card(**changes: Any) -> ModelCard:
    return decode_card(msgspec.json.encode(CARD | changes).decode(), "model.onnx")


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": []},
        {"classes": ["ant", "ant"]},
        {"classes": ["ant", "b\ne"]},
        {"image_size": 0},
        {"image_size": 16},
        {"preprocessing": CARD["preprocessing"][:3]},
        {"preprocessing": CARD["preprocessing"][::-1]},
    ],
)
def test_a_finalized_model_is_held_to_the_same(changes: dict[str, Any]) -> None:
    assert card().classes == ("ant", "bee")
    with pytest.raises(TbftError, match=r"'model.onnx' does not say how it is fed: "):
        card(**changes)


def test_a_finalized_model_of_a_signal_is_held_to_the_same() -> None:
    """Its shape is what memory is taken by before anything of the data is read."""
    content = {name: value for name, value in CARD.items() if name != "image_size"}
    signal = {"input_shape": [1, 1, 16], "preprocessing": [{"type": "standardize", "mean": [0.0], "std": [1.0]}]}
    decoded = decode_card(msgspec.json.encode(content | signal).decode(), "model.onnx")
    assert decoded.shape == (1, 1, 16)
    huge = signal | {"input_shape": [1, 2**20, 2**20]}
    with pytest.raises(TbftError, match=r"does not say how it is fed: it has an input of .* numbers, more than"):
        decode_card(msgspec.json.encode(content | huge).decode(), "model.onnx")


def test_a_bundle_with_good_changes_still_opens(tmp_path: Path) -> None:
    """Checks refuse for their own reason: the way in which the changes above are made is no fault."""
    manifest = made_up_bundle(tmp_path)
    write_manifest(tmp_path, manifest, model="another")
    assert open_bundle(tmp_path).manifest.model == "another"
    assert open_bundle(changed(tmp_path, ("plans", 0, "micro_batch"), 4)).manifest.plans[0].micro_batch == 4
