"""The fleet's folder on a host: who belongs to it, what was released, and what devices told."""
