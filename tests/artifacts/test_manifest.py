"""The manifest is a contract: nothing of it gets lost, and every part of it counts for the bundle's id."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.bundles import made_up_manifest
from tbft_artifacts.manifest import BatchNorm, Block, FileEntry, Manifest
from tbft_artifacts.plan import (
    BatchNormPolicy,
    Boundary,
    Cost,
    Drift,
    GraphMemory,
    Int8Prefix,
    Optimizer,
    OptimizerKind,
    Parameter,
    Plan,
)
from tbft_artifacts.preprocessing import CenterCrop, ExifTranspose, Normalize, Resize, ResizeFilter, ToRgb

TEXT = st.text(max_size=12)
COUNT = st.integers(min_value=0, max_value=2**31 - 1)
LARGE = st.integers(min_value=0, max_value=2**53 - 1)
BYTES = st.integers(min_value=0, max_value=2**36)
IMAGES = st.integers(min_value=1, max_value=2**16)
PIXELS = st.integers(min_value=1, max_value=4096)
NUMBER = st.floats(min_value=0, max_value=1e6)
PART = st.floats(min_value=0, max_value=1)
SHAPE = st.lists(COUNT, max_size=4).map(tuple)


def tuples_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, max_size=3).map(tuple)


def three(least: float, most: float) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(*[st.floats(least, most)] * 3)


COSTS = st.builds(Cost, LARGE, LARGE, LARGE, LARGE, LARGE)
OPTIMIZERS = st.builds(
    Optimizer,
    kind=st.sampled_from(get_args(OptimizerKind)),
    inputs=tuples_of(TEXT),
    slots=tuples_of(TEXT),
    lr=NUMBER,
    momentum=NUMBER,
    weight_decay=NUMBER,
)
MEMORY = st.builds(GraphMemory, BYTES, BYTES)
PLANS = st.builds(
    Plan,
    id=TEXT,
    drift=st.sampled_from(get_args(Drift)),
    blocks=tuples_of(TEXT),
    batch_norm=st.sampled_from(get_args(BatchNormPolicy)),
    batch_statistics=tuples_of(TEXT),
    parameters=tuples_of(st.builds(Parameter, TEXT, SHAPE)),
    boundary=st.builds(Boundary, TEXT, SHAPE),
    micro_batch=st.integers(1, 64),
    gradient_memory=st.tuples(MEMORY, MEMORY),
    prefix_memory=tuples_of(MEMORY),
    suffix_memory=MEMORY,
    gradient_forms=st.just(("winograd", "direct")),
    prefix_forms=st.sampled_from([(), ("direct",), ("winograd", "direct")]),
    optimizer=OPTIMIZERS,
    batch_size=IMAGES,
    cost=COSTS,
    full_cost=COSTS,
    int8=st.none() | st.builds(Int8Prefix, COUNT, COUNT, PART, PART, NUMBER),
    targets_memory=st.none() | MEMORY,
)
STEPS = st.one_of(
    st.builds(ExifTranspose),
    st.builds(ToRgb),
    st.builds(Resize, PIXELS, st.sampled_from(get_args(ResizeFilter))),
    st.builds(CenterCrop, PIXELS),
    st.builds(Normalize, three(-1e3, 1e3), three(1e-4, 1e4)),
)
MANIFESTS = st.builds(
    Manifest,
    format=COUNT,
    minimum_runtime=st.sampled_from(["0.1.0", "2026.11.2", "1.0.dev3+local", "3rc1"]),
    bundle_id=TEXT,
    parent=st.none() | TEXT,
    model=TEXT,
    classes=tuples_of(TEXT),
    image_size=PIXELS,
    preprocessing=tuples_of(STEPS),
    batch_norms=tuples_of(st.builds(BatchNorm, TEXT, TEXT, PART, IMAGES)),
    blocks=tuples_of(st.builds(Block, TEXT, COUNT)),
    plans=tuples_of(PLANS),
    producers=st.dictionaries(TEXT, TEXT, max_size=3),
    files=st.dictionaries(
        TEXT, st.builds(FileEntry, LARGE, st.sampled_from(["0" * 64, "0123456789abcdef" * 4])), max_size=3
    ),
)


@given(MANIFESTS)
def test_a_manifest_survives_json(manifest: Manifest) -> None:
    """What the host writes is what the device reads, to the last bit of every number."""
    assert msgspec.json.decode(msgspec.json.encode(manifest), type=Manifest) == manifest


@given(MANIFESTS)
def test_the_id_depends_on_the_content_alone(manifest: Manifest) -> None:
    """The id is the same after a round trip and whatever id was there before, so a device can check it."""
    again = msgspec.json.decode(msgspec.json.encode(manifest.with_id()), type=Manifest)
    assert again.content_hash() == again.bundle_id == manifest.content_hash()


def test_the_order_of_listed_files_does_not_change_the_id() -> None:
    """Equal bundles have equal ids, in whatever order a file system lists them."""
    first, second = FileEntry(1, "a" * 64), FileEntry(2, "b")
    one = msgspec.structs.replace(made_up_manifest(), files={"x": first, "y": second})
    other = msgspec.structs.replace(made_up_manifest(), files={"y": second, "x": first})
    assert one.content_hash() == other.content_hash()


def _sample() -> dict[str, Any]:
    manifest = msgspec.structs.replace(made_up_manifest(), files={"predict.onnx": FileEntry(1, "a" * 64)})
    return msgspec.json.decode(msgspec.json.encode(manifest), type=dict[str, Any])


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, index))
    else:
        yield path


ALTERNATIVES = {
    "feature": "input",
    "frozen": "batch",
    "sgd": "adam",
    "bilinear": "nearest",
    "rgb": "exif_transpose",
    "winograd": "direct",
    "direct": "winograd",
}


def _changed(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value / 2 + 0.1
        case str() if re.fullmatch(r"[0-9.]+|[0-9a-f]{64}", value):
            return f"1{value[1:]}"
        case str():
            return ALTERNATIVES.get(value, f"{value}!")
        case _:
            return "something"


# The tags of steps that carry fields cannot be exchanged without their fields; see the test below.
LEAVES = [
    path
    for path in _leaves(_sample())
    if path != ("bundle_id",) and not (path[0] == "preprocessing" and path[-1] == "type" and path[1] != 1)
]


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_every_field_counts_for_the_id(path: tuple[Any, ...]) -> None:
    """Nothing in a manifest, however deep, can be changed without the bundle's id noticing."""
    content = _sample()
    before = msgspec.convert(content, Manifest).content_hash()
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = _changed(inner[path[-1]])
    assert msgspec.convert(content, Manifest).content_hash() != before


def test_the_leaves_above_cover_every_field() -> None:
    """A field that is added to the manifest later is tested too."""
    assert {path[0] for path in LEAVES} == set(Manifest.__struct_fields__) - {"bundle_id", "input_shape"}


def test_the_order_of_preprocessing_counts_for_the_id() -> None:
    """Cropping before resizing is another preprocessing."""
    manifest = made_up_manifest()
    reordered = msgspec.structs.replace(manifest, preprocessing=manifest.preprocessing[::-1])
    assert reordered.content_hash() != manifest.content_hash()


@pytest.mark.parametrize(
    "path", [(), ("plans", 0), ("plans", 0, "optimizer"), ("preprocessing", 2), ("batch_norms", 0)]
)
def test_unknown_fields_are_refused(path: tuple[Any, ...]) -> None:
    """A field that this version does not know might matter, so it is not passed over in silence."""
    content = _sample()
    inner = content
    for key in path:
        inner = inner[key]
    inner["unheard_of"] = 1
    with pytest.raises(msgspec.ValidationError, match="unheard_of"):
        msgspec.convert(content, Manifest)


def test_the_names_of_a_parameter_are_all_different() -> None:
    """Graph inputs and outputs of one parameter must not be mistaken for each other."""
    parameter = Parameter("fc.weight", (1,))
    slots = ("exp_avg", "exp_avg_sq")
    names = [parameter.name, parameter.gradient, parameter.updated]
    names += [name for slot in slots for name in (parameter.state(slot), parameter.updated_state(slot))]
    assert len(set(names)) == len(names) == 7


def test_a_float32_prefix_is_not_mentioned() -> None:
    """Manifests that were written before there was int8 keep their id, and predict with the whole model."""
    (plan,) = made_up_manifest().plans
    float32 = msgspec.structs.replace(plan, int8=None)
    assert b"int8" not in msgspec.json.encode(float32)
    assert (plan.predict, float32.predict) == (f"plans/{plan.id}/predict.onnx", "predict.onnx")


def test_a_graph_that_takes_targets_is_mentioned_where_it_is() -> None:
    """Manifests that were written before there was one keep their id, and have none."""
    (plan,) = made_up_manifest().plans
    without = msgspec.structs.replace(plan, targets_memory=None)
    assert b"targets" not in msgspec.json.encode(without)
    assert (plan.soft_targets, without.soft_targets) == (True, False)


def test_step_flops_count_the_frozen_prefix() -> None:
    """A step that has no cached activations runs the prefix too."""
    assert Cost(1, 20, 300, 4, 5).step_flops == 321


@pytest.mark.parametrize(
    ("block", "trained"),
    [("layer2", True), ("layer2.0", True), ("layer20", False), ("layer", False), ("fc", True), ("conv1", False)],
)
def test_a_plan_trains_its_blocks_and_their_parts(block: str, trained: bool) -> None:
    """At a dot: what the drawing marks is what the graphs change."""
    assert Block(block, 1).is_inside(("layer2", "fc")) == trained
