"""What few labels, or none, are worth."""
