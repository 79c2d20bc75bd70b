"""What exporters write of people's networks, from the file to a finalized model, beside ONNX Runtime on the file."""
