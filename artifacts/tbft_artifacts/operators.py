"""Which operators graphs may hold: those that a device computes for a stranger.

A graph of a bundle is refused, before it is loaded, for any operator that is not here, and the compiler writes no
other one. Left out on purpose are control flow (`If`, `Loop`, `Scan`: a graph that never ends), generators of random
numbers, sequences, optionals and strings, and what crashes a process. `Div` and `Mod` of integers are held to divisors
that are known to be positive (`tbft_runtime.graphs.check_graph`).

Before an operator is added: does ONNX Runtime refuse bad attributes and shapes of it with an error, whatever they are?
Does every tensor that it makes come from the session's arena, so that its memory is bounded?
"""

from __future__ import annotations

# Of a graph; the largest that the compiler wrote for any network without recurrent layers has 6,000.
MOST_NODES = 20_000

# What the compiler itself writes: lowerings, passes, exits, optimizers, int8 prefixes, and what ONNX Runtime Training's
# gradients leave.
WRITTEN = frozenset(
    {
        *("Add", "And", "ArgMax", "AveragePool", "Cast", "Clip", "Concat", "ConstantOfShape", "Conv", "ConvTranspose"),
        *("DequantizeLinear", "Div", "Equal", "Exp", "Expand", "Flatten", "Gather", "GatherElements", "Gemm"),
        *("Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "Less"),
        *("LogSoftmax", "MatMul", "Mul", "Neg", "OneHot", "Pad", "Pow", "QuantizeLinear", "Reciprocal", "ReduceMax"),
        *("ReduceMean", "ReduceSum", "Relu", "Reshape", "ScatterElements", "ScatterND", "Shape", "Sigmoid", "Size"),
        *("Slice", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Transpose", "Unsqueeze", "Where"),
    }
)

# Layers of a user's network, which stay as they are in its frozen part and in the whole model.
LAYERS = frozenset(
    {
        *("Acos", "Acosh", "ArgMin", "Asin", "Asinh", "Atan", "Atanh", "Cosh", "Mod", "Sinh", "Tan"),
        *("Abs", "BatchNormalization", "Ceil", "Celu", "Constant", "Cos", "CumSum", "DepthToSpace", "Dropout"),
        *("Einsum", "Elu", "Erf", "Floor", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "GridSample"),
        *("Hardmax", "InstanceNormalization", "IsInf", "IsNaN", "LRN", "LayerNormalization", "LeakyRelu"),
        *("LessOrEqual", "Log", "LpNormalization", "LpPool", "Max", "MaxPool", "Mean"),
        *("MeanVarianceNormalization", "Min", "Mish", "Not", "Or", "PRelu", "Range", "ReduceL1", "ReduceL2"),
        *("ReduceLogSum", "ReduceLogSumExp", "ReduceMin", "ReduceProd", "ReduceSumSquare", "Resize", "Round"),
        *("Selu", "Shrink", "Sign", "Sin", "Softmax", "Softplus", "Softsign"),
        *("SpaceToDepth", "ThresholdedRelu", "Tile", "TopK", "Trilu", "Xor"),
    }
)

IN_BUNDLES = WRITTEN | LAYERS

# Whose operands behind the first may be left out by an empty name; others crash where they take that for a value.
MAY_LACK = frozenset({"Clip", "Dropout", "Pad", "Resize", "Slice"})

# Beside them, in models that others made: of other opsets, and with integer arithmetic.
IN_MODELS = IN_BUNDLES | {
    *("CastLike", "ConvInteger", "DynamicQuantizeLinear", "Gelu", "GroupNormalization", "MatMulInteger"),
    *("QLinearConv", "QLinearMatMul", "RMSNormalization", "Swish", "Upsample"),
}
