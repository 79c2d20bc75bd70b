"""A plan: what is trainable, with which graphs, and at what cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from tbft_artifacts.names import GRADIENT_SUFFIX
from tbft_artifacts.sparse import SparseLayer, SparseUpdate
from tbft_artifacts.structs import Count, Images, Large, Memory, Part, Rate, Shape, Struct

PREDICT = "predict.onnx"
# The folder of a bundle that holds a folder for each plan, by its id.
PLANS = "plans"
BYTES_PER_FLOAT = 4

Drift = Literal["input", "feature", "output", "full"]
# block: batch statistics behind the boundary alone.
BatchNormPolicy = Literal["frozen", "adapt", "block", "batch"]
OptimizerKind = Literal["sgd", "adam", "adamw"]
# The scalars that an update takes, and what it keeps of each parameter; step counts from 1.
OPTIMIZERS: Mapping[OptimizerKind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sgd": (("lr", "momentum", "weight_decay"), ("momentum",)),
    "adam": (("lr", "momentum", "weight_decay", "step"), ("exp_avg", "exp_avg_sq")),
    "adamw": (("lr", "momentum", "weight_decay", "step"), ("exp_avg", "exp_avg_sq")),
}
# How a graph writes its convolutions; which is faster depends on the device.
ConvolutionForm = Literal["winograd", "direct"]


def purpose(method: str, drift: Drift | None) -> str:
    """What a plan is for, in words: the drift that it answers, or else the method that chose what is trained."""
    if drift is None:
        return method
    return "full fine-tuning" if drift == "full" else f"{drift} drift"


class Cost(Struct, frozen=True):
    """What one image costs.

    `forward_flops`, `backward_flops`: floating-point operations of convolutions and matrix products (a multiplication
    and an addition count as two); `prefix_flops` of an int8 prefix are integer ones. `activation_bytes`: forward values
    kept for the backward pass. `parameter_bytes`: trained parameters.
    """

    prefix_flops: Large
    forward_flops: Large
    backward_flops: Large
    activation_bytes: Large
    parameter_bytes: Large

    @property
    def step_flops(self) -> int:
        """Forward, frozen prefix included, and backward of one image."""
        return self.prefix_flops + self.forward_flops + self.backward_flops


class GraphMemory(Struct, frozen=True):
    """The most bytes of values that a graph holds at once for a batch: `fixed_bytes + images * image_bytes`."""

    fixed_bytes: Memory
    image_bytes: Memory

    def bytes(self, images: int) -> int:
        return self.fixed_bytes + images * self.image_bytes


class Exit(Struct, frozen=True):
    """A classifier behind a part of the network. `flops`: of the forward pass of one image until it has answered."""

    name: str
    flops: Large


class Parameter(Struct, frozen=True):
    """A trained tensor, and the outputs of the graphs that belong to it."""

    name: str
    shape: Shape

    @property
    def gradient(self) -> str:
        """Output of the gradient graph, and input of the update graph."""
        return f"{self.name}{GRADIENT_SUFFIX}"

    @property
    def updated(self) -> str:
        """Output of the update graph."""
        return f"{self.name}.new"

    def state(self, slot: str) -> str:
        """Input of the update graph: optimizer state `slot` of this parameter."""
        return f"{self.name}.{slot}"

    def updated_state(self, slot: str) -> str:
        """Output of the update graph."""
        return f"{self.name}.{slot}.new"


class Optimizer(Struct, frozen=True):
    """The rule of the update graph. `inputs` are the scalars that it takes, float32 each.

    `lr`, `momentum` and `weight_decay` are the defaults for those inputs; for Adam and AdamW `momentum` is beta1.
    `slots` names the state kept per parameter, zeros at the start.
    """

    kind: OptimizerKind
    inputs: tuple[str, ...]
    slots: tuple[str, ...]
    lr: Rate
    momentum: Rate
    weight_decay: Rate


class Boundary(Struct, frozen=True):
    """The activation between the frozen prefix and the suffix; `shape` leaves out the batch."""

    name: str
    shape: Shape


class Int8Prefix(Struct, frozen=True):
    """How a prefix with integer arithmetic compares with the float32 one, before anything is trained.

    Top-1 accuracies of the whole model over `measured_images` images that are none of the `calibration_images`.
    `boundary_error`: root mean square of the boundary activation's deviation, over that of the activation.
    """

    calibration_images: Count
    measured_images: Count
    accuracy_float32: Part
    accuracy_int8: Part
    boundary_error: Rate


class Plan(Struct, frozen=True, omit_defaults=True):
    """What is trainable, and the graphs for it, in the folder `plans/<id>/`."""

    id: str
    """By which people and files name it, and its folder."""
    drift: Drift | None
    """What it answers; None for methods that do not ask."""
    blocks: tuple[str, ...]
    """What of the network is trained, by the names of modules."""
    batch_norm: BatchNormPolicy
    """What happens to the statistics of batch norms while it trains."""
    batch_statistics: tuple[str, ...]
    """The norms, by their running mean, that use the statistics of the batch while training.

    All under `batch`, those behind the boundary under `block`, none where statistics are fixed.
    """
    parameters: tuple[Parameter, ...]
    """What is trained."""
    boundary: Boundary
    """Where the trained part begins."""
    gradient_forms: tuple[ConvolutionForm, ...]
    """In which forms of convolutions the gradient graph is there, the default first."""
    prefix_forms: tuple[ConvolutionForm, ...]
    """The same of the prefix; none where nothing is frozen before the first trained layer."""
    gradient_memory: tuple[GraphMemory, ...]
    """Bytes of the gradient graph in each of its forms, in the same order."""
    prefix_memory: tuple[GraphMemory, ...]
    """Bytes of the prefix in each of its forms, in the same order."""
    suffix_memory: GraphMemory
    """Bytes of the forward pass behind the boundary."""
    optimizer: Optimizer
    batch_size: Images
    """Images per step, by default."""
    micro_batch: Images
    """Images that the gradient graph takes at once, by default, where statistics are fixed."""
    cost: Cost
    """Of one image; with `sparse`, before any channel is chosen."""
    full_cost: Cost | None
    """That of full fine-tuning; None if the whole model cannot be differentiated."""
    int8: Int8Prefix | None = None
    """How its integer prefix compares; None, and left out of the file, where the prefix computes in float32."""
    method: str = "tbft"
    """The rule by which the host chose what is trained, for people to read."""
    sparse: SparseUpdate | None = None
    """Convolutions whose output channels a device chooses, to train beside `parameters` (`with_channels`)."""
    exits: tuple[Exit, ...] = ()
    """The classifiers of a network that may answer early, in order, the last behind the whole; none if there is one."""
    fixed_prefix: bool = False
    """Whether no norm stands before the boundary, where all norms use the statistics of the batch; left out if not."""
    statistics_part: Images | None = None
    """Images that batch norms with batch statistics normalise together, at least; None: those of the whole batch."""
    unlabelled: bool = False
    """Whether images without a label take part in training, with label `NO_LABEL`."""
    kept: Count = 0
    """How many images of the source domain the bundle keeps for it (`tbft_artifacts.kept`); left out where none."""
    targets_memory: GraphMemory | None = None
    """Bytes of the gradient graph that takes targets; None, and left out, where there is none (`soft_targets`)."""

    @property
    def purpose(self) -> str:
        """What the plan is for, in words: the drift that it answers, or else the method that chose it."""
        return purpose(self.method, self.drift)

    @property
    def sparse_layers(self) -> tuple[SparseLayer, ...]:
        """The convolutions among whose channels a device chooses, in the order of the graph; most plans have none."""
        return () if self.sparse is None else self.sparse.layers

    def with_channels(self, channels: Mapping[str, Sequence[int]]) -> Plan:
        """The plan of a device that chose output `channels` of convolutions, named by their weights.

        Their rows become parameters, and the cost is what they take. Raises KeyError for a weight that is none
        of the sparse ones.
        """
        known = {layer.weight: layer for layer in self.sparse_layers}
        chosen = [(known[weight], len(rows)) for weight, rows in channels.items() if rows]
        rows = tuple(Parameter(layer.rows, (count, *layer.shape[1:])) for layer, count in chosen)
        values = sum(math.prod(parameter.shape) for parameter in rows)
        cost = msgspec.structs.replace(
            self.cost,
            backward_flops=self.cost.backward_flops + sum(layer.row_flops * count for layer, count in chosen),
            parameter_bytes=self.cost.parameter_bytes + BYTES_PER_FLOAT * values,
        )
        return msgspec.structs.replace(self, parameters=(*self.parameters, *rows), cost=cost)

    @property
    def flat(self) -> Parameter:
        """All trained parameters behind each other, in order, as one vector: what the update graph works on."""
        return Parameter("parameters", (sum(math.prod(parameter.shape) for parameter in self.parameters),))

    def file(self, name: str) -> str:
        """Path inside the bundle of one of the plan's files, such as `gradient.onnx`."""
        return f"{PLANS}/{self.id}/{name}"

    @property
    def has_prefix(self) -> bool:
        """Whether something frozen stands before the first trained layer."""
        return bool(self.prefix_forms)

    @property
    def divides(self) -> bool:
        """Whether a batch may go through the gradient graph in parts: no norm needs the statistics of the whole."""
        return not self.batch_statistics or self.statistics_part is not None

    @property
    def prefix_is_fixed(self) -> bool:
        """Whether what stands before the first trained layer makes the same of an image in every batch."""
        return self.batch_norm != "batch" or not self.batch_statistics or self.fixed_prefix

    @property
    def prefix(self) -> str:
        """The frozen part, in its default form."""
        return self.file("prefix.onnx")

    @property
    def suffix(self) -> str:
        return self.file("suffix.onnx")

    @property
    def predict(self) -> str:
        """The whole model as this plan trains it: with an int8 prefix, or the last of several exits, its own graph."""
        return PREDICT if self.int8 is None and not self.exits else self.file(PREDICT)

    @property
    def gradient(self) -> str:
        """The gradient graph, in its default form."""
        return self.file("gradient.onnx")

    def prefix_in(self, form: ConvolutionForm) -> str:
        """The frozen part with its convolutions in `form`."""
        return self.prefix if form == self.prefix_forms[0] else self.file(f"prefix.{form}.onnx")

    def gradient_in(self, form: ConvolutionForm) -> str:
        """The gradient graph with its convolutions in `form`."""
        return self.gradient if form == self.gradient_forms[0] else self.file(f"gradient.{form}.onnx")

    @property
    def soft_targets(self) -> bool:
        """Whether there is a gradient graph that takes targets; plans with exits or sparse layers have none."""
        return self.targets_memory is not None

    @property
    def targets(self) -> str:
        """The gradient graph that takes targets as probabilities, in the default form of `gradient`."""
        return self.file("targets.onnx")

    @property
    def update(self) -> str:
        return self.file("update.onnx")

    @property
    def fisher(self) -> str:
        """The graph that scores a sparse plan's channels: boundary activations, labels -> Fisher information."""
        return self.file("fisher.onnx")

    def stage(self, number: int) -> str:
        """The part of the network up to exit `number`, from the exit before it or from the images."""
        return self.file(f"stage{number}.onnx")

    @property
    def ort_training(self) -> str:
        return self.file("ort_training")
