"""Which layers and channels a device trains, chosen from its own images."""
