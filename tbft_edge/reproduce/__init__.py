"""`tbft-edge reproduce`: run the paper's experiments again."""
