"""Rounds over Flower: signed tasks to devices, signed results back; Flower carries them, and no code."""
