"""A kernel's name tells its layer: names that ONNX Runtime 1.31 reported of exported networks."""

from __future__ import annotations

import pytest

from tbft_runtime.profiling.layers import OTHER, layer_of


@pytest.mark.parametrize(
    ("node", "operator", "layer"),
    [
        # As they were traced: the exporter repeats containers.
        ("/fc/Gemm", "Gemm", "fc"),
        ("/layer1/layer1.0/conv1/Conv", "Conv", "layer1.0.conv1"),
        ("/resnet/encoder/stages/stages.0/layers/layers.1/layer/layer.0/convolution/Conv", "Conv",
         "resnet.encoder.stages.0.layers.1.layer.0.convolution"),
        ("/layer1/layer1.0/shortcut/shortcut.0/conv/Conv", "Conv", "layer1.0.shortcut.0.conv"),
        # Operators between layers belong to the module around them, or to none.
        ("/layer3/layer3.1/Relu_1", "Relu", "layer3.1"),
        ("/layer3/layer3.1/Add#Add_1", "Add", "layer3.1"),
        ("/Flatten", "Flatten", "Flatten"),
        ("/AveragePool#Reshape_3", "Reshape", "AveragePool"),
        # Lowered, once and again in another layout, and merged by ONNX Runtime.
        ("/bn1/BatchNormalization#Mul_10#Mul_1", "Mul", "bn1"),
        ("/layer3/layer3.1/conv1/Conv#MatMul_21/MatmulTransposeFusion/", "FusedMatMul", "layer3.1.conv1"),
        ("/layer1/bn1/BatchNormalization_BatchNormInternal#ReduceMean_1#ReduceMean_1", "ReduceMean", "layer1.bn1"),
        ("/layer1/conv1/Conv#Conv_1_token_4", "QLinearConv", "layer1.conv1"),
        ("/conv1/Conv_output_0_nchwc", "Conv", "conv1"),
        ("/AveragePool_output_0_nchwc", "AveragePool", "AveragePool"),
        ("fused /layer1/conv1/Conv", "FusedConv", "layer1.conv1"),
        ("/fc/MatMul/MatMulAddFusion", "Gemm", "fc"),
        ("/layer1/Relu_1_output_0_DequantizeLinear", "DequantizeLinear", "layer1"),
        ("images_QuantizeLinear", "QuantizeLinear", "images"),
        # Gradients.
        ("/fc/Gemm_Grad/Gemm_1", "Gemm", "fc (backward)"),
        ("/Flatten_Grad/Reshape_1", "Reshape", "Flatten (backward)"),
        ("/layer3/layer3.1/conv2/Conv_Grad/ConvGrad_0#Gather_13", "Gather", "layer3.1.conv2 (backward)"),
        ("/layer3/layer3.1/Relu_1_Grad/ReluGrad_0#Where_4#Where_1", "Where", "layer3.1 (backward)"),
        ("/layer2/bn1/BatchNormalization#Mul_10_Grad/Mul_2#Mul_1", "Mul", "layer2.bn1 (backward)"),
        ("/layer2/Relu_output_0_grad#ConvGrad/Conv_7_nchwc", "Conv", "layer2 (backward)"),
        ("AccumulateGrad_/layer1/Relu_1_output_0_grad", "Sum", "layer1 (backward)"),
        ("AccumulateGrad_/layer2/bn1/BatchNormalization_output_0#BatchNormalization/Mul_5_grad", "Sum",
         "layer2.bn1 (backward)"),
        # The loss, and what is counted beside it.
        ("onnx::SoftmaxCrossEntropyLoss::4#LogSoftmax_1", "LogSoftmax", "loss"),
        ("onnx::SoftmaxCrossEntropyLoss::4_Grad/SoftmaxCrossEntropyLossGrad_0#Sub_5", "Sub", "loss (backward)"),
        ("correct#ArgMax", "ArgMax", "correct"),
        # Nobody's.
        ("ReorderInput", "ReorderInput", OTHER),
        ("ReorderOutput_token_6", "ReorderOutput", OTHER),
        ("Transpose_token_10", "Transpose", OTHER),
        ("node_Identity_4", "Identity", OTHER),
        ("Conv_12", "Conv", OTHER),
    ],
)  # fmt: skip
def test_names(node: str, operator: str, layer: str) -> None:
    assert layer_of(node, operator) == layer


def test_a_module_may_be_called_like_a_gradient() -> None:
    """`upsample_gradual` is no gradient."""
    assert layer_of("/upsample_gradual/conv/Conv", "Conv") == "upsample_gradual.conv"
