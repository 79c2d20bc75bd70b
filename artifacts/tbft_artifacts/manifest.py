"""The manifest of a bundle: what the host compiled, and what a device needs to train it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from tbft_artifacts.input_shape import InputShape, said_shape
from tbft_artifacts.names import is_inside
from tbft_artifacts.plan import Drift, Plan
from tbft_artifacts.preprocessing import Normalize, Noun, PreprocessingStep, Standardize, noun
from tbft_artifacts.source import LinearHead, Source
from tbft_artifacts.structs import Count, Large, Part, Pixels, Sha256, Some, Struct

FORMAT = 1
MANIFEST = "manifest.json"
# Bytes at most: a hundred plans that train everything of a deep network, and ten thousand classes, have a fifth.
MANIFEST_LIMIT = 16 << 20
WEIGHTS = "weights.safetensors"
STATISTICS = "statistics.onnx"
# Numbers and dots, and perhaps words behind: 0.1.0.dev3.
VERSION = r"^[0-9]{1,9}(\.[0-9]{1,9}){0,5}([.a-z+-][.a-z0-9+-]*)?\Z"


# What a bundle is exported for: one drift, or whichever the device meets.
DriftChoice = Literal[Drift, "all"]
PrefixKind = Literal["float32", "int8"]


class FileEntry(Struct, frozen=True):
    """Size in bytes and sha256 (hex) of one file of the bundle."""

    bytes: Large
    sha256: Sha256


class BatchNorm(Struct, frozen=True):
    """One batch norm: the names of its running statistics, and how it averages them.

    `momentum` is PyTorch's: running = (1 - momentum) * running + momentum * batch. `values` is how
    many values per channel one image gives (height x width).
    """

    mean: str
    variance: str
    momentum: Part
    values: Some


class Block(Struct, frozen=True):
    """The common start of some parameters' names, and how many trainable values they hold."""

    name: str
    parameters: Count

    def is_inside(self, modules: Sequence[str]) -> bool:
        """Whether it is one of `modules`, such as a plan's blocks, or a part of one."""
        return any(is_inside(self.name, module) for module in modules)


class Manifest(Struct, frozen=True, kw_only=True):
    """Everything about a bundle that is not a tensor or a graph.

    `bundle_id` is the sha256 of the manifest without it, so of the content of every file. `parent`
    is the bundle that this one was made from. `blocks` hold every trainable parameter of the network, in the
    order of its graph; a plan trains all or nothing of each. `plans` are in the order of what they train, and
    `full` the last; several may be for one drift. `image_size` is the side of a square RGB input, `input_shape` says
    any other; just one of them is there, so that the ids of bundles from before stay what they are. `head` is the last
    layer, if it is linear, `source` says that moments of the source domain are there, and `fresh` names parameters that
    nobody trained yet, those of a new head; each is left out if not.
    """

    format: Count
    minimum_runtime: Annotated[str, msgspec.Meta(pattern=VERSION, max_length=64)]
    bundle_id: str = ""
    parent: str | None = None
    model: str
    classes: tuple[str, ...]
    image_size: Pixels | UnsetType = UNSET
    input_shape: InputShape | UnsetType = UNSET
    fresh: tuple[str, ...] | UnsetType = UNSET
    preprocessing: tuple[PreprocessingStep, ...]
    batch_norms: tuple[BatchNorm, ...]
    blocks: tuple[Block, ...]
    plans: tuple[Plan, ...]
    producers: dict[str, str]
    files: dict[str, FileEntry]
    head: LinearHead | UnsetType = UNSET
    source: Source | UnsetType = UNSET

    def __post_init__(self) -> None:
        said_shape(self.image_size, self.input_shape)

    @property
    def shape(self) -> InputShape:
        """What the network takes: channels, height, width."""
        return said_shape(self.image_size, self.input_shape)

    @property
    def normalization(self) -> Normalize | Standardize:
        """The preprocessing step that makes the input's numbers of pixels, or of a signal's."""
        return next(step for step in self.preprocessing if isinstance(step, Normalize | Standardize))

    @property
    def noun(self) -> Noun:
        """What one input of the network is called."""
        return noun(self.preprocessing)

    @property
    def sparse_plans(self) -> tuple[Plan, ...]:
        """The plans among which a device chooses by Fisher information; the deepest first, whose graph scores all."""
        return tuple(plan for plan in self.plans if plan.sparse is not None)

    def plan_for(self, drift: str) -> Plan | None:
        """The plan that `drift` calls for: the one nearest the output, if several are for it; None without any."""
        return next((plan for plan in reversed(self.plans) if plan.drift == drift), None)

    def moving_norms(self, plan: Plan) -> tuple[BatchNorm, ...]:
        """The batch norms that use the statistics of the batch while `plan` trains, and so move their averages."""
        return tuple(norm for norm in self.batch_norms if norm.mean in plan.batch_statistics)

    def with_id(self) -> Manifest:
        """The same manifest with its content hash filled in."""
        return msgspec.structs.replace(self, bundle_id=self.content_hash())

    def encoded(self) -> bytes:
        """As its file holds it, for people, too: the same bytes for the same manifest."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1) + b"\n"

    def content_hash(self) -> str:
        """sha256 (hex) of everything but `bundle_id`, in canonical JSON."""
        anonymous = msgspec.structs.replace(self, bundle_id="")
        return hashlib.sha256(msgspec.json.encode(anonymous, order="sorted")).hexdigest()
