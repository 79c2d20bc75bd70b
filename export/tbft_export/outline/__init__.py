"""A network and its plans before anything is compiled: parts, cuts, and about what training would cost."""
