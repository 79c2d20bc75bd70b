"""Compiled graphs held against PyTorch, before a bundle appears."""
