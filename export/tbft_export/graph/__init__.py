"""Reading and writing ONNX graphs: what every later room builds on."""
