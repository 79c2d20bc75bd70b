"""Train steps on emulated ARM: executed instructions, ours beside those of other engines."""
