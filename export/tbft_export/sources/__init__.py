"""Where models come from: a built-in network, a user's torch module, or an `.onnx` file."""
