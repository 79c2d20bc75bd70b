"""Convolutions: reading one, and the forms in which it can be written."""
