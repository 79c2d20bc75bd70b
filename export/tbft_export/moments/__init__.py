"""Moments of the source domain: what a device compares its own images with."""
