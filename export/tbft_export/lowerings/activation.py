"""Activations and their gradients."""

from __future__ import annotations

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_export.graph.activations import GRADIENT_DOMAIN, RELU6
from tbft_export.graph.emitter import Emitter
from tbft_export.lowerings.registry import lowers


@lowers("com.microsoft", "ReluGrad")
def relu_grad(emit: Emitter) -> None:
    """dX = dY where V > 0, else 0; V is the input or the output of Relu.

    All three have one shape. At 0 the gradient is 0, as in PyTorch.
    """
    dy, v = emit.node.inputs
    emit.replace(emit.op("Where", emit.op("Greater", v, 0.0), dy, 0.0))


@lowers(GRADIENT_DOMAIN, "Relu6Grad")
def relu6_grad(emit: Emitter) -> None:
    """dX = dY where 0 < Y < 6, else 0; Y is the output of ReLU6.

    At 0 and at 6 the gradient is 0, as in PyTorch.
    """
    dy, y = emit.node.inputs
    emit.replace(emit.op("Where", _inside(emit, y, *RELU6), dy, 0.0))


@lowers(GRADIENT_DOMAIN, "HardSigmoidGrad")
def hard_sigmoid_grad(emit: Emitter) -> None:
    """dX = alpha * dY where 0 < Y < 1, else 0; Y is the output of hard-sigmoid, clip(alpha * x + beta, 0, 1)."""
    dy, y = emit.node.inputs
    alpha = emit.node.attributes["alpha"].as_float()
    emit.replace(emit.op("Where", _inside(emit, y, 0.0, 1.0), emit.op("Mul", dy, alpha), 0.0))


@lowers(GRADIENT_DOMAIN, "HardSwishGrad")
def hard_swish_grad(emit: Emitter) -> None:
    """dX = dY * (0 where x <= -3, 1 where x >= 3, else x / 3 + 1/2), x being the input of hard-swish.

    y = x * clip(x / 6 + 1/2, 0, 1) has a kink at -3 and at 3, where PyTorch takes the outer slope.
    """
    dy, x = emit.node.inputs
    slope = emit.op("Add", emit.op("Mul", x, 1 / 3), 0.5)
    slope = emit.op("Where", emit.op("Less", x, 3.0), slope, 1.0)
    slope = emit.op("Where", emit.op("Greater", x, -3.0), slope, 0.0)
    emit.replace(emit.op("Mul", dy, slope))


@lowers(GRADIENT_DOMAIN, "EluGrad")
def elu_grad(emit: Emitter) -> None:
    """dX = dY where Y > 0, else dY * (Y + alpha); Y is the output of ELU, alpha * (exp(x) - 1) below 0.

    At 0 the gradient is that from below, as in PyTorch. Refuses a negative alpha, with which Y does not tell the
    sides apart.
    """
    _bent_at_zero(emit, above=1.0, slope=1.0, at_zero=_not_negative(emit, "alpha", 1.0))


@lowers(GRADIENT_DOMAIN, "SeluGrad")
def selu_grad(emit: Emitter) -> None:
    """dX = gamma * dY where Y > 0, else dY * (Y + gamma * alpha); Y is the output of SELU.

    At 0 the gradient is that from below, as in PyTorch. Refuses a negative alpha or gamma.
    """
    alpha, gamma = _not_negative(emit, "alpha", 1.67326319), _not_negative(emit, "gamma", 1.05070102)
    _bent_at_zero(emit, above=gamma, slope=1.0, at_zero=gamma * alpha)


@lowers(GRADIENT_DOMAIN, "CeluGrad")
def celu_grad(emit: Emitter) -> None:
    """dX = dY where Y > 0, else dY * (Y / alpha + 1); Y is the output of CELU, alpha * (exp(x / alpha) - 1) below 0.

    Refuses a negative alpha.
    """
    _bent_at_zero(emit, above=1.0, slope=1 / _not_negative(emit, "alpha", 1.0), at_zero=1.0)


@lowers(GRADIENT_DOMAIN, "SoftplusGrad")
def softplus_grad(emit: Emitter) -> None:
    """dX = dY * sigmoid(X); X is the input of softplus, log(1 + exp(x))."""
    dy, x = emit.node.inputs
    emit.replace(emit.op("Mul", dy, emit.op("Sigmoid", x)))


@lowers(GRADIENT_DOMAIN, "SoftsignGrad")
def softsign_grad(emit: Emitter) -> None:
    """dX = dY * (1 - |Y|)^2; Y is the output of softsign, x / (1 + |x|)."""
    dy, y = emit.node.inputs
    rest = emit.op("Sub", 1.0, emit.op("Abs", y))
    emit.replace(emit.op("Mul", dy, emit.op("Mul", rest, rest)))


@lowers("com.microsoft", "LeakyReluGrad")
def leaky_relu_grad(emit: Emitter) -> None:
    """dX = dY where Y > 0, else alpha * dY; Y is the output of leaky ReLU.

    At 0 the gradient is alpha, as in PyTorch. Refuses a negative alpha, with which Y does not tell the sides apart.
    """
    dy, y = emit.node.inputs
    below = emit.op("Mul", dy, _not_negative(emit, "alpha", 0.01))
    emit.replace(emit.op("Where", emit.op("Greater", y, 0.0), dy, below))


@lowers("com.microsoft", "TanhGrad")
def tanh_grad(emit: Emitter) -> None:
    """dX = dY * (1 - Y^2); Y is the output of Tanh."""
    dy, y = emit.node.inputs
    emit.replace(emit.op("Mul", dy, emit.op("Sub", 1.0, emit.op("Mul", y, y))))


@lowers("com.microsoft", "SigmoidGrad")
def sigmoid_grad(emit: Emitter) -> None:
    """dX = dY * Y * (1 - Y); Y is the output of Sigmoid."""
    dy, y = emit.node.inputs
    emit.replace(emit.op("Mul", dy, emit.op("Mul", y, emit.op("Sub", 1.0, y))))


@lowers("com.microsoft", "QuickGelu")
def quick_gelu(emit: Emitter) -> None:
    """y = x * sigmoid(alpha * x). ORT makes one operator of x * sigmoid(x), which is SiLU (alpha = 1)."""
    (x,) = emit.node.inputs
    emit.replace(emit.op("Mul", x, emit.op("Sigmoid", _scaled(emit, x))))


@lowers("com.microsoft", "QuickGeluGrad")
def quick_gelu_grad(emit: Emitter) -> None:
    """dX = dY * s * (1 + alpha * x * (1 - s)), s = sigmoid(alpha * x); x is the input of QuickGelu."""
    dy, x = emit.node.inputs
    scaled = _scaled(emit, x)
    s = emit.op("Sigmoid", scaled)
    rest = emit.op("Add", emit.op("Mul", scaled, emit.op("Sub", 1.0, s)), 1.0)
    emit.replace(emit.op("Mul", dy, emit.op("Mul", s, rest)))


def _bent_at_zero(emit: Emitter, *, above: float, slope: float, at_zero: float) -> None:
    """dX = above * dY where Y > 0, else dY * (slope * Y + at_zero)."""
    dy, y = emit.node.inputs
    below = emit.op("Add", y if slope == 1 else emit.op("Mul", y, slope), at_zero)
    factor = emit.op("Where", emit.op("Greater", y, 0.0), above, below)
    emit.replace(emit.op("Mul", dy, factor))


def _not_negative(emit: Emitter, name: str, default: float) -> float:
    value = emit.node.attributes.get_float(name, default)
    if value < 0:
        raise TbftError(
            f"operator {emit.node.op_type} at node '{emit.node.name}' is of an activation with a negative {name}, "
            f"{value:g}",
            "train a block behind it",
        )
    return value


def _inside(emit: Emitter, y: ir.Value | None, low: float, high: float) -> ir.Value:
    """Where low < y < high."""
    return emit.op("And", emit.op("Greater", y, low), emit.op("Less", y, high))


def _scaled(emit: Emitter, x: ir.Value | None) -> ir.Value:
    """alpha * x."""
    assert x is not None
    alpha = emit.node.attributes.get_float("alpha", 1.702)
    return x if alpha == 1 else emit.op("Mul", x, alpha)
