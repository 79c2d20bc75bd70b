"""Where the time of a train step goes: per operator and per layer."""
