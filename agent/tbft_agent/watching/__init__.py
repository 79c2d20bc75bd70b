"""Whether recent images look like those that the model knows."""
