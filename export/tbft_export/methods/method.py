"""What a method is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import onnx_ir as ir

from tbft_artifacts.names import is_inside
from tbft_export.blocks.find import Blocks, describe_blocks, find_blocks
from tbft_export.blocks.layers import trainable_parameters
from tbft_export.blocks.names import select
from tbft_export.graph.forward import ForwardModel
from tbft_export.options import MethodOptions
from tbft_export.training_plan import TrainingPlan

# All that a method imports of what it is given.
__all__ = ["Method", "MethodOptions", "Network"]


@dataclass(frozen=True)
class Network:
    """A trained network as methods see it. `fresh` names parameters that nobody trained yet, such as a new head."""

    forward: ForwardModel
    fresh: tuple[str, ...] = ()

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Every trainable parameter, in the order in which the graph reads them."""
        return tuple(trainable_parameters(self.forward.graph, self.forward.trainable))

    @cached_property
    def blocks(self) -> Blocks:
        """The parts of the network. Raises TbftError if there is no layer with weights."""
        return find_blocks(self.forward.graph, self.parameters, self.forward.fixed)

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """The names of its blocks, or where it has no layer, of its outermost modules."""
        found = describe_blocks(self.forward.graph, self.forward.trainable, (), self.forward.fixed)
        return tuple(block.name for block in found)

    @property
    def norms(self) -> tuple[ir.Node, ...]:
        """The batch norms, in the order of the graph."""
        return tuple(node for node in self.forward.graph if node.op_type == "BatchNormalization")

    def inside(self, blocks: Sequence[str]) -> tuple[str, ...]:
        """The parameters inside `blocks`. Raises TbftError for one that holds none."""
        return tuple(select(self.parameters, blocks, self.modules))

    def features(self, blocks: Sequence[str]) -> int:
        """How many numbers the last linear layer inside `blocks` reads; 1 without one."""
        classes = self.forward.graph.outputs[0].shape
        for name in reversed(self.inside(blocks)):
            shape = self.forward.graph.initializers[name].shape
            if shape is None or classes is None:
                continue
            if len(shape) == 2:
                rows, columns = shape.numpy()
                return int(columns if rows == classes[1] else rows)
            if len(shape) == 4 and (shape[0], *shape[2:]) == (classes[1], 1, 1):  # A head may be a convolution.
                return int(shape[1])  # type: ignore[arg-type]
        return 1

    def modules_of(self, parameters: Sequence[str]) -> tuple[str, ...]:
        """The modules that hold `parameters`, in the order of the graph."""
        found = (next(name for name in self.modules if is_inside(each, name)) for each in parameters)
        return tuple(dict.fromkeys(found))


Method = Callable[[Network, MethodOptions], tuple[TrainingPlan, ...]]
