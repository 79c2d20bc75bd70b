"""Broken, hostile and absurd input for the real command: `python -m fuzz`, or `make fuzz`."""
