"""`.onnx` files as people have them, brought into the form that the compiler works on."""
