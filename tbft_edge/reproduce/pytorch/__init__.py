"""The paper's own way, in PyTorch: what the device's results are held against. Imported only when a run needs it."""
