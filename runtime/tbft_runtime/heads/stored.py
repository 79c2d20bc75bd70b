"""The last layer of a network as a head, and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tbft_artifacts.plan import Plan
from tbft_artifacts.source import LinearHead
from tbft_runtime.heads.head import Head


def head_of(weights: Mapping[str, np.ndarray], named: LinearHead) -> Head:
    """The last layer among `weights`."""
    assert named.bias is not None
    stored = weights[named.weight]
    return Head.of(stored.T if named.transposed else stored, weights[named.bias])


def trains_only(plan: Plan, named: LinearHead) -> bool:
    """Whether the plan trains all of the last layer and nothing else, from what that reads."""
    names = {parameter.name for parameter in plan.parameters}
    return names == {named.weight, named.bias} and plan.boundary.shape == (named.features,)


def tensors_of(head: Head, named: LinearHead) -> dict[str, np.ndarray]:
    """`head` as tensors of the network, by name; what `head_of` reads."""
    assert named.bias is not None
    stored = np.ascontiguousarray(head.weight.T if named.transposed else head.weight)
    return {named.weight: stored, named.bias: head.bias}
