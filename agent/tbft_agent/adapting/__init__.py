"""Training a candidate, and proving that it is better."""
