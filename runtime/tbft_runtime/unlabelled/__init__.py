"""Learning from images whose labels nobody knows, or nobody asks for."""
