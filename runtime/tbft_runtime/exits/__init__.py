"""Classifiers behind parts of a network: which of them answers an image, and what that saves."""
