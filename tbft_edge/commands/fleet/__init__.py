"""`tbft-edge fleet`: one file per command of it."""
