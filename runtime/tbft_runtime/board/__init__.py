"""The board that computes: what it is, and in which state."""
