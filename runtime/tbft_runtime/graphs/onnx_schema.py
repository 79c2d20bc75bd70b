"""The messages of an ONNX file (onnx.proto): their fields by number, as far as a graph may have them."""

from __future__ import annotations

from tbft_runtime.graphs.protobuf import DOUBLES, FLOAT, FLOATS, NUMBER, NUMBERS, TEXT, TEXTS

MODEL_OPSET, MODEL_GRAPH, MODEL_METADATA, MODEL_TRAINING, MODEL_FUNCTIONS = 8, 7, 14, 20, 25
MODEL = {
    1: NUMBER,  # ir_version
    2: TEXT,  # producer_name
    3: TEXT,  # producer_version
    4: TEXT,  # domain
    5: NUMBER,  # model_version
    6: TEXT,  # doc_string
    MODEL_GRAPH: TEXT,
    MODEL_OPSET: TEXTS,
    MODEL_METADATA: TEXTS,
    MODEL_TRAINING: TEXTS,
    MODEL_FUNCTIONS: TEXTS,
}
ENTRY = {1: TEXT, 2: TEXT}  # key, value
OPSET_DOMAIN, OPSET_VERSION = 1, 2
OPSET = {OPSET_DOMAIN: TEXT, OPSET_VERSION: NUMBER}

GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE, GRAPH_INPUT, GRAPH_OUTPUT = 1, 5, 15, 11, 12
GRAPH_VALUE_INFO = 13
GRAPH = {
    GRAPH_NODE: TEXTS,
    2: TEXT,  # name
    GRAPH_INITIALIZER: TEXTS,
    10: TEXT,  # doc_string
    GRAPH_INPUT: TEXTS,
    GRAPH_OUTPUT: TEXTS,
    GRAPH_VALUE_INFO: TEXTS,  # hints, which ONNX Runtime holds against what it finds itself
    14: TEXTS,  # quantization_annotation: names
    GRAPH_SPARSE: TEXTS,
    16: TEXTS,  # metadata_props
}

ATTRIBUTE_NAME, ATTRIBUTE_INT, ATTRIBUTE_TENSOR, ATTRIBUTE_TENSORS = 1, 3, 5, 10
# Subgraphs, sparse tensors, types, and what stands for an attribute of a function.
ATTRIBUTE_GRAPHS, ATTRIBUTE_OTHERS = (6, 11), (14, 15, 21, 22, 23)
ATTRIBUTE = {
    ATTRIBUTE_NAME: TEXT,
    2: FLOAT,
    ATTRIBUTE_INT: NUMBER,
    4: TEXT,  # a string
    ATTRIBUTE_TENSOR: TEXT,
    7: FLOATS,
    8: NUMBERS,
    9: TEXTS,  # strings
    ATTRIBUTE_TENSORS: TEXTS,
    13: TEXT,  # doc_string
    20: NUMBER,  # type
    **dict.fromkeys((*ATTRIBUTE_GRAPHS, *ATTRIBUTE_OTHERS), TEXTS),
}

TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW, TENSOR_EXTERNAL, TENSOR_LOCATION = 1, 2, 8, 9, 13, 14
# Of floats, of 32 and 64 bits, of doubles, of unsigned integers.
TENSOR_TYPED = (4, 5, 7, 10, 11)
TENSOR = {
    TENSOR_DIMS: NUMBERS,
    TENSOR_TYPE: NUMBER,
    4: FLOATS,
    5: NUMBERS,
    7: NUMBERS,
    TENSOR_NAME: TEXT,
    TENSOR_RAW: TEXT,
    10: DOUBLES,
    11: NUMBERS,
    12: TEXT,  # doc_string
    TENSOR_EXTERNAL: TEXTS,
    TENSOR_LOCATION: NUMBER,
    16: TEXTS,  # metadata_props
}

VALUE_NAME, VALUE_TYPE = 1, 2
VALUE = {VALUE_NAME: TEXT, VALUE_TYPE: TEXT, 3: TEXT, 4: TEXTS}
TYPE_TENSOR = 1
TYPE = {TYPE_TENSOR: TEXT, 6: TEXT}
TENSOR_TYPE_ELEMENT = 1
TENSOR_TYPE_SCHEMA = {TENSOR_TYPE_ELEMENT: NUMBER, 2: TEXT}

FLOAT32, UINT8, INT8, UINT16, INT16, INT32, INT64, BOOL, FLOAT16, DOUBLE = 1, 2, 3, 4, 5, 6, 7, 9, 10, 11
UINT32, UINT64, BFLOAT16 = 12, 13, 16
# Bytes of an element. Left out are strings, complex numbers, and those of less than a byte.
ELEMENT_BYTES = {
    **dict.fromkeys((UINT8, INT8, BOOL), 1),
    **dict.fromkeys((UINT16, INT16, FLOAT16, BFLOAT16), 2),
    **dict.fromkeys((FLOAT32, INT32, UINT32), 4),
    **dict.fromkeys((INT64, DOUBLE, UINT64), 8),
}
# Whether they are signed.
INTEGERS = {
    **dict.fromkeys((INT8, INT16, INT32, INT64), True),
    **dict.fromkeys((UINT8, UINT16, UINT32, UINT64), False),
}
FLOATING = frozenset({FLOAT32, FLOAT16, BFLOAT16, DOUBLE})
