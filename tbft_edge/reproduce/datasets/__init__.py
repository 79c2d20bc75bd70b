"""The data of the paper's experiments: read, drifted and split as its authors did."""
