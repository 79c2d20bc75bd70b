"""Labelled images on a device: where they lie, how they are prepared, how they are split."""
