"""What compiled graphs are compared with: the model as PyTorch computes it."""
