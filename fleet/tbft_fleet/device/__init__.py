"""A device of a fleet: its folder, and updates that roll back by themselves."""
