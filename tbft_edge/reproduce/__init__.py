"""The paper's experiments, rerun: what `tbft-edge reproduce` does."""
