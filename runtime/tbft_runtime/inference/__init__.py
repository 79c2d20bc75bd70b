"""Using a model: what it answers, how often that is right, and what it takes."""
