"""Linear heads in closed form, from features and labels alone: one pass, no epochs, no learning rate."""
