"""Lowerings with one mistake each, as a hand might make them: the self-check has to refuse every one. Host only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx_ir as ir

from tbft_export.graph.emitter import Emitter
from tbft_export.lowerings import registry
from tbft_export.passes import take_targets

Operands = tuple[Any, ...]


@dataclass(frozen=True)
class Mistake:
    """Of the operators that lowerings of `kinds` write, `change` alters those with `written`.

    It gives other operands, or one value that stands for the result. Without `kinds` it is about the loss of targets.
    """

    kinds: tuple[tuple[str, str], ...]
    written: str
    change: Callable[[Operands], Operands | ir.Value]


def _biased(operands: Operands) -> Operands:
    """count / (count - 1) becomes 1."""
    return (operands[0], 0.0) if operands[1] == 1.0 else operands


def _other_epsilon(operands: Operands) -> Operands:
    x, epsilon = operands
    return (x, 1.5 * epsilon) if isinstance(epsilon, float) else operands


def _moved_kink(operands: Operands) -> Operands:
    return operands[0], 1e-2


def _without_mean(operands: Operands) -> Operands | ir.Value:
    """dX without the last of its three terms, the mean of dY."""
    first, _ = operands
    assert isinstance(first, ir.Value)
    return first


def _not_flipped(operands: Operands) -> Operands | ir.Value:
    return operands[0] if len(operands) == 5 and np.array_equal(operands[4], [-1, -1]) else operands


def _without_mean_nearness(operands: Operands) -> Operands | ir.Value:
    """The gradient of information without what makes the logits' gradients add up to nothing."""
    first = operands[0]
    producer = first.producer() if isinstance(first, ir.Value) else None
    return first if producer is not None and producer.op_type == "Sub" else operands


def _of_one_label(operands: Operands) -> Operands:
    """As if all rows of targets added up to 1."""
    return 1.0, operands[1]


def _wrong_sign(operands: Operands) -> Operands:
    """log p - log m."""
    first, second = operands
    return (second, first) if isinstance(first, ir.Value) and first.is_graph_input() else operands


_RELUS = (("com.microsoft", "ReluGrad"), ("tbft", "Relu6Grad"))
_NORM = (("com.microsoft", "BatchNormInternal"),)

MISTAKES: Mapping[str, Mistake] = {
    "biased variance": Mistake(_NORM, "Sub", _biased),
    "epsilon": Mistake(_NORM, "Add", _other_epsilon),
    "moved kink": Mistake(_RELUS, "Greater", _moved_kink),
    "dropped term": Mistake((("com.microsoft", "BatchNormalizationGrad"),), "Add", _without_mean),
    "information without its mean": Mistake((), "Sub", _without_mean_nearness),
    "targets without their mass": Mistake((), "Add", _of_one_label),
    "information away from the mean": Mistake((), "Sub", _wrong_sign),
    "transposed filter": Mistake((("", "ConvGrad"), ("com.microsoft", "ConvGrad")), "Slice", _not_flipped),
}


class _Mistaken:
    """An emitter that writes one operator otherwise."""

    def __init__(self, emit: Emitter, mistake: Mistake) -> None:
        self._emit = emit
        self._mistake = mistake

    def __getattr__(self, name: str) -> Any:
        return getattr(self._emit, name)

    def op(self, op_type: str, *operands: Any, **attributes: Any) -> ir.Value:
        if op_type == self._mistake.written:
            changed = self._mistake.change(operands)
            if isinstance(changed, ir.Value):
                return changed
            operands = changed
        return self._emit.op(op_type, *operands, **attributes)


@contextmanager
def mistaken(name: str) -> Iterator[None]:
    """Inside, the lowerings make the mistake `name`."""
    mistake = MISTAKES[name]
    if not mistake.kinds:
        with patch.object(take_targets, "Emitter", lambda node: _Mistaken(Emitter(node), mistake)):
            yield
        return
    registry.all_lowerings()
    before = {kind: registry._LOWERINGS[kind] for kind in mistake.kinds if kind in registry._LOWERINGS}
    assert before

    def wrong(right: registry.Lowering) -> registry.Lowering:
        def write(emit: Emitter) -> None:
            right.function(_Mistaken(emit, mistake))  # type: ignore[arg-type]

        return registry.Lowering(right.domain, right.op_type, write)

    registry._LOWERINGS.update({kind: wrong(lowering) for kind, lowering in before.items()})
    try:
        yield
    finally:
        registry._LOWERINGS.update(before)
