"""The model that answers, loaded once."""
