"""Activations at the boundary between the frozen and the trained part: made once, kept, and read again."""
