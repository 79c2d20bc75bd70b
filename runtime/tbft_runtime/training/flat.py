"""Trained parameters behind each other in one vector."""

from __future__ import annotations

import math

import numpy as np

from tbft_artifacts.plan import Parameter, Plan


class FlatParameters:
    """One number for each trained parameter of a plan: `vector` (P,) float32, and each tensor as a view of it."""

    def __init__(self, plan: Plan) -> None:
        self.vector = np.zeros(plan.flat.shape, np.float32)
        ends = np.cumsum([math.prod(parameter.shape) for parameter in plan.parameters])
        self._views = {
            parameter.name: part.reshape(parameter.shape)
            for parameter, part in zip(plan.parameters, np.split(self.vector, ends[:-1]), strict=True)
        }

    def view(self, parameter: Parameter) -> np.ndarray:
        """The tensor that belongs to `parameter`."""
        return self._views[parameter.name]

    def adopt(self, arrays: dict[str, np.ndarray], key: str, parameter: Parameter) -> None:
        """Take over the values of `arrays[key]`, and put the view in its place."""
        view = self.view(parameter)
        view[...] = arrays[key]
        arrays[key] = view
