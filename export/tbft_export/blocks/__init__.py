"""Blocks: the parts of a network that are trained or left alone as a whole, found in its graph."""
