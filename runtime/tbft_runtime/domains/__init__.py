"""Runs of one bundle together, each for its own domain, and which of them images belong to."""
