"""How much is learned from few labels, and from none."""
