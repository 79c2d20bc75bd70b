"""Graphs on a device: read, loaded into ONNX Runtime, run in lanes."""
