"""A new last layer from a few labelled images, in one pass and without a gradient; and new classes."""
