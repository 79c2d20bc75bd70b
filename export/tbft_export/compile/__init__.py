"""A forward graph and what to train -> the graphs of one plan."""
