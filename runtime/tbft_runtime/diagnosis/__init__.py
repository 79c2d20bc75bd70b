"""Decide on the device which block drifted: what a few labelled images tell, and the rule that combines it."""
